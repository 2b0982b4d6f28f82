import { define, load, loadUntrusted, prune, type ScriptModule, Tensor } from 'espalier'
import { call, run } from 'espalier/torch'
import { beforeAll, describe, expect, test } from 'vitest'
import { runsWhenLoaded } from '../support/networks.js'
import { failure } from './support.js'

// Whatever way LibTorch's words take to the user: the message says what is wrong, in one line, without C++ frames and
// addresses. With this LibTorch puts frames wherever it can.
process.env.TORCH_SHOW_CPP_STACKTRACES = '1'

const NOT_FOR_USERS = /frame #\d|Exception raised from|0x[0-9a-f]{6}|INTERNAL ASSERT FAILED at|report a bug|\n/
const x = () => Tensor.zeros([2, 3])
const weight = () => ({ parameters: { weight: Tensor.full([2, 3], 1, { requiresGrad: true }) } })

describe('a program that asks for what its operators refuse', () => {
  const WRONG = /mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)/
  let network: ScriptModule
  beforeAll(async () => {
    network = await define('def forward(self, x):\n  return torch.mm(x, self.weight)\n', weight())
  })

  test.each<[string, () => unknown]>([
    ['call', () => call('aten::mm', [x(), x()])],
    ['run', () => run([{ op: 'aten::mm', args: [x(), x()] }])],
    ['forward', () => network.forward(x())],
    ['forwardSync', () => network.forwardSync(x())],
    [
      'forward with hooks',
      async () => {
        const hook = network.registerForwardHook('', () => undefined)
        await network.forward(x()).finally(() => hook.remove())
      },
    ],
    [
      'a hook',
      async () => {
        const fine = await define('def forward(self, x):\n  return x * self.weight\n', weight())
        fine.registerForwardHook('', () => call('aten::mm', [x(), x()]) as Tensor)
        await fine.forward(x())
      },
    ],
    ['record', () => network.record([x()])],
    ['prune', () => prune(network, { inputs: [x()], ratio: 0.5 })],
    [
      'load',
      async () => load(await runsWhenLoaded(weight().parameters.weight, 'self.weight = torch.mm(state[0], state[0])')),
    ],
    [
      'loadUntrusted',
      async () =>
        loadUntrusted(await runsWhenLoaded(weight().parameters.weight, 'self.weight = torch.mm(state[0], state[0])')),
    ],
  ])('%s', async (_, action) => {
    const { message } = await failure(action)
    expect(message).toMatch(WRONG)
    expect(message).not.toMatch(NOT_FOR_USERS)
  })
})

describe('the message', () => {
  const raising = (text: string) =>
    define(`def forward(self, x):\n  assert x.sum() > 1, ${JSON.stringify(text)}\n  return x\n`, weight())

  test.each<[string, string, string]>([
    ['leaves out addresses', 'no <Net object at 0x55d0c0ffee00> here', 'AssertionError: no <Net object at 0x...> here'],
    ['keeps short numbers', 'the mask is 0xff', 'AssertionError: the mask is 0xff'],
    [
      'leaves out frames, also when nothing else is said',
      '\nException raised from check at ../check.cpp:1 (most recent call first):\nframe #0: c10::Error + 0x80 (0x7f0c0ffee000 in libc10.so)',
      'AssertionError:',
    ],
    [
      'leaves out the place of an assertion of LibTorch',
      'isTensor() INTERNAL ASSERT FAILED at "/pytorch/ivalue_inl.h":113, please report a bug to PyTorch. Expected Tensor but got Int',
      'Expected Tensor but got Int',
    ],
    [
      'keeps an assertion of LibTorch that says nothing else',
      'isTensor() INTERNAL ASSERT FAILED at "/pytorch/ivalue_inl.h":113, please report a bug to PyTorch.',
      'AssertionError: isTensor() INTERNAL ASSERT FAILED',
    ],
  ])('%s', async (_, text, wanted) => {
    const network = await raising(text)
    for (const action of [() => network.forward(x()), () => network.forwardSync(x()), () => network.record([x()])]) {
      const { message, detail } = await failure(action)
      expect(message.endsWith(wanted), message).toBe(true)
      expect(message).not.toMatch(NOT_FOR_USERS)
      expect(detail).toContain(text.trim().split('\n')[0])
    }
  })

  test('of a second backward pass is one line', async () => {
    for (const way of ['backward', 'backwardSync'] as const) {
      const leaf = Tensor.from([1, 2], [2], { requiresGrad: true })
      const loss = call('aten::sum', [call('aten::mul.Tensor', [leaf, leaf]) as Tensor]) as Tensor
      await loss.backward()
      const { message } = await failure(() => loss[way]())
      expect(message).toMatch(/^Trying to backward through the graph a second time/)
      expect(message).not.toMatch(NOT_FOR_USERS)
    }
  })
})
