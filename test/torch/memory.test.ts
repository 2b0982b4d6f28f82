import { define, inMemory, load, optimizeForInference, setMemoryLimit, sgd, Tensor, train } from 'espalier'
import { run } from 'espalier/torch'
import { afterEach, expect, test } from 'vitest'
import { failure, model, smallInput } from './support.js'

// The limit is the process's: it must not stay for what runs after.
afterEach(() => setMemoryLimit(Number.MAX_SAFE_INTEGER))

/** Of 64 MiB: LibTorch is asked on each such tensor. */
const large = () => run([{ op: 'aten::zeros', args: [[2 ** 24]] }])

test('a tensor beyond the memory limit is refused with an error, and the process goes on', async () => {
  setMemoryLimit(2 ** 20)
  const error = await failure(large)
  expect([error.code, /out of memory/.test(`${error.message} ${error.detail}`)]).toEqual(['ERR_TORCH', true])
  setMemoryLimit(Number.MAX_SAFE_INTEGER)
  const [zeros] = (await large()) as [Tensor]
  expect(zeros.shape).toEqual([2 ** 24])
  zeros.dispose()
})

test('no file, program or input is blamed for it', async () => {
  const source = 'def forward(self, x):\n  return x + torch.zeros([16777216]).sum()\n'
  const network = await define(source, { parameters: { weight: Tensor.zeros([2 ** 24]) } })
  const bytes = await network.toBuffer()
  const actions = {
    load: () => load(bytes),
    forward: () => network.forward(Tensor.zeros([1])),
    record: () => network.record([Tensor.zeros([1])], { execute: true }),
    clone: async () => network.clone(),
  }
  for (const [name, action] of Object.entries(actions)) {
    setMemoryLimit(2 ** 20)
    const { code, message } = await failure(action)
    expect([name, code, message.startsWith('out of memory')]).toEqual([name, 'ERR_TORCH', true])
    setMemoryLimit(Number.MAX_SAFE_INTEGER)
    expect((await network.forward(Tensor.zeros([1]))) instanceof Tensor).toBe(true)
  }
})

test('small tensors are given below a limit that is reached', async () => {
  setMemoryLimit(2 ** 20)
  const network = await load(model('small.script.pt'))
  expect((await network.forward(smallInput())) instanceof Tensor).toBe(true)
  network.dispose()
})

test('frozen modules that nobody disposes of are let go of before they fill the memory', async () => {
  const [numbers, times] = [2 ** 22, 60]
  const network = await define('def forward(self, x):\n  return x * self.weight', {
    parameters: { weight: Tensor.zeros([numbers]) },
  })
  const { optimized } = await optimizeForInference(network, { inputs: [Tensor.zeros([1])], rounds: 1 })
  const bytes = await optimized.toBuffer()
  const before = process.memoryUsage().rss
  let most = 0
  for (let k = 0; k < times; k++) {
    await load(bytes, { frozen: true })
    most = Math.max(most, process.memoryUsage().rss - before)
  }
  // V8 only looks for what is unused where it is told how much there is.
  expect(most).toBeLessThan((times * 4 * numbers) / 2)
})

test('a training that meets the limit ends with an error, the model stays whole, and training goes on when it is lifted', async () => {
  const network = await load(model('small.script.pt'))
  const count = 256 * 8
  const x = { data: new Float32Array(count * 3 * 256).fill(0.5), shape: [count, 3, 16, 16] }
  const y = { data: new BigInt64Array(count), shape: [count] }
  const steps = () =>
    train(network, {
      data: { train: inMemory(x, y) },
      loss: 'cross-entropy',
      optimizer: sgd({ lr: 1e-3 }),
      epochs: 2,
      batchSize: 256,
    })
  for (const after of [1, 3, 6]) {
    let done = 0
    const error = await failure(async () => {
      for await (const record of steps()) {
        if (record.kind !== 'batch') continue
        done++
        if (record.iteration === after) setMemoryLimit(1)
      }
    })
    expect([error.code, error.message.startsWith('out of memory')]).toEqual(['ERR_TORCH', true])
    expect(done).toBeGreaterThanOrEqual(after)
    setMemoryLimit(Number.MAX_SAFE_INTEGER)
    for (const [name, { shape }] of network.parameters()) {
      const values = Array.from(network.parameters().get(name)!.data(), Number)
      expect(values.every(Number.isFinite), `${name} ${shape}`).toBe(true)
    }
  }
  let batches = 0
  for await (const record of steps()) if (record.kind === 'batch') batches++
  expect(batches).toBe(16)
  network.dispose()
})
