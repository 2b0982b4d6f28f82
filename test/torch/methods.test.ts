import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load, loadManifest, type PruneOptions, prune, replay, saveManifest, Tensor } from 'espalier'
import { analyse } from 'espalier/analysis'
import { afterAll, describe, expect, it } from 'vitest'
import { masked } from '../support/masked.js'
import { network, uniform } from '../support/networks.js'
import { python } from '../support/python.js'
import { expectClose, failure, numbers } from './support.js'

const folder = mkdtempSync(join(tmpdir(), 'espalier-methods-'))
afterAll(() => rmSync(folder, { recursive: true }))

const x = uniform([5, 6])
const SHAPES = { 'a.weight': [8, 6], 'b.weight': [8, 8], 'c.weight': [3, 8], 'critic.weight': [1, 8] }
const FORWARD = `
def body(self, x: Tensor) -> Tensor:
  return torch.relu(torch.linear(x, self.a.weight))
def forward(self, x: Tensor) -> Tensor:
  return torch.linear(torch.relu(torch.linear(self.body(x), self.b.weight)), self.c.weight)
`

/** Cut to half with these methods, and the original with what was removed at zero. */
async function cut(source: string, options: Partial<PruneOptions>, buffers: Record<string, Tensor> = {}) {
  const model = await network(source, SHAPES, buffers)
  const result = await prune(model, { inputs: [x], ratio: 0.5, ...options })
  return { model, ...result, zeroed: await masked(model, result.plan.keep as never) }
}

describe('methods with example inputs', () => {
  it.each([
    ['that gives what is inside', 'return torch.relu(torch.linear(x, self.a.weight))', [8, 4]],
    ['that calls forward', 'return self.forward(x) * 2 + self.forward(x)', [4, 4]],
    ['that calls another', 'return torch.linear(self.body(x), self.critic.weight)', [4, 4]],
    ['that knows a width', 'return torch.linear(x, self.a.weight).view(-1, 8).sum(1)', [4, 4]],
    ['that reads a width', 'h = self.body(x)\n  return h.sum(1) / h.size(1)', [4, 4]],
    ['that reads along a cut dimension', 'return self.body(x)[:, 2]', [5, 4]],
    ['that takes a maximum over it', 'return self.body(x).max(1)[0]', [8, 4]],
    [
      'that has branches',
      'y = self.body(x)\n  if x.size(0) > 3:\n    y = y * 2\n  return torch.linear(y, self.b.weight)',
      [4, 8],
    ],
    [
      'that loops',
      'y = self.body(x)\n  for i in range(3):\n    y = torch.relu(torch.linear(y, self.b.weight))\n  return y.sum(1)',
      [4, 4],
    ],
  ])('one %s computes what the masked original does', async (_what, body, widths) => {
    const source = `${FORWARD}def other(self, x: Tensor) -> Tensor:\n  ${body}\n`
    const { small, zeroed } = await cut(source, { methods: { other: [x] } })
    const [a, b] = [small.parameters().get('a.weight')!, small.parameters().get('b.weight')!]
    expect([a.shape[0], b.shape[0]]).toEqual(widths)
    for (const each of [small, await load(await small.toBuffer())]) {
      for (const method of ['other', 'forward']) {
        const wanted = (await zeroed.callMethod(method, [x])) as Tensor
        expectClose((await each.callMethod(method, [x])) as Tensor, numbers(wanted), 1e-4)
      }
    }
  })

  it('several are told as cut, and are no part of the MACs', async () => {
    const source = `${FORWARD}
def critic(self, x: Tensor, scale: float = 2.0) -> Tensor:
  return torch.linear(self.body(x), self.critic.weight) * scale
def widths(self) -> int:
  return self.a.weight.size(0)
`.replace('def critic', 'def value')
    const alone = await cut(source, { dropMethods: true })
    const {
      small,
      zeroed,
      plan,
      interface: report,
    } = await cut(source, {
      methods: { value: [x], widths: [] },
    })
    expect(plan.macs[0]).toBe(alone.plan.macs[0])
    expect(alone.interface.methods.dropped).toContain('widths')
    expect(report.methods.dropped).toEqual([])
    expect(report.methods.cut).toContain('value')
    const wanted = (await zeroed.callMethod('value', [x, 3])) as Tensor
    expectClose((await small.callMethod('value', [x, 3])) as Tensor, numbers(wanted), 1e-4)
  })

  it('share a state with forward: what one leaves the other finds', async () => {
    const source = `
def forward(self, x: Tensor) -> Tensor:
  self.h = torch.tanh(torch.linear(x, self.a.weight) + self.h)
  return torch.linear(self.h, self.c.weight)
def reset(self) -> None:
  self.h = torch.zeros([5, 8])
def warm(self, y: Tensor) -> None:
  self.h = self.h + torch.linear(y, self.b.weight)
def state(self) -> Tensor:
  return torch.linear(self.h, self.critic.weight)
`
    const start = { h: Tensor.full([5, 8], 0.25) }
    const refused = await failure(() => cut(source, {}, start))
    expect(refused.code).toBe('ERR_UNSUPPORTED')
    expect(refused.message).toMatch(/The method `reset`.*Give methods: \{ 'reset': \[/)
    const { small, zeroed } = await cut(source, { methods: { reset: [], warm: [uniform([5, 8])], state: [] } }, start)
    expect(small.interface!.methods.dropped).toEqual([])
    for (const each of [small, await load(await small.toBuffer())]) {
      const reference = (await zeroed.clone()).eval()
      for (const [method, inputs] of [
        ['forward', [x]],
        ['warm', [uniform([5, 8])]],
        ['state', []],
        ['reset', []],
        ['forward', [x]],
        ['state', []],
      ] as const) {
        const wanted = await reference.callMethod(method, inputs)
        const given = await each.callMethod(method, inputs)
        if (wanted instanceof Tensor) expectClose(given as Tensor, numbers(wanted), 1e-4)
      }
    }
  })

  it('are in the manifest, which is replayed with them', async () => {
    const source = `${FORWARD}def sums(self, x: Tensor) -> Tensor:\n  return self.body(x).view(-1, 8).sum(1)\n`
    const { model, small, ...result } = await cut(source, { methods: { sums: [x] } })
    const path = join(folder, 'manifest.json')
    await saveManifest(path, result)
    const manifest = await loadManifest(path)
    expect(manifest.interface!.methods.cut).toContain('sums')
    const again = await replay(model, manifest, { inputs: [x], methods: { sums: [x] } })
    const wanted = (await small.callMethod('sums', [x])) as Tensor
    expectClose((await again.small.callMethod('sums', [x])) as Tensor, numbers(wanted), 1e-6)
  })

  it('may be called as the second call of a module in a trace is', async () => {
    const { small, zeroed } = await cut(`${FORWARD}def forward2(self, x: Tensor) -> Tensor:\n  return self.body(x)\n`, {
      methods: { forward2: [x] },
    })
    const wanted = (await zeroed.callMethod('forward2', [x])) as Tensor
    expectClose((await small.callMethod('forward2', [x])) as Tensor, numbers(wanted), 1e-5)
  })

  it('stand in the record behind forward', async () => {
    const model = await network(`${FORWARD}def twice(self, x: Tensor) -> Tensor:\n  return torch.tanh(x) * 2\n`, SHAPES)
    const recording = await model.record([x], { methods: { twice: [uniform([2, 6])] } })
    const { record } = recording
    expect(record.inputs).toHaveLength(2)
    expect(record.ops.slice(record.forwardOps).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['aten::tanh', 'aten::mul']),
    )
    expect(record.ops.slice(0, record.forwardOps).map(({ name }) => name)).not.toContain('aten::tanh')
    expect(analyse(record).groups.length).toBeGreaterThan(0)
  })

  it.each([
    [{ nothing: [] }, 'ERR_INVALID_ARGUMENT', "the module has no method 'nothing'"],
    [{ 'a.nothing': [] }, 'ERR_INVALID_ARGUMENT', "the module has no method 'a.nothing'"],
    [{ forward: [x] }, 'ERR_INVALID_ARGUMENT', "'forward' runs with the example inputs"],
    [{ body: [] }, 'ERR_INVALID_ARGUMENT', 'body needs an input'],
    [{ body: [x, x] }, 'ERR_INVALID_ARGUMENT', 'body takes at most 1 inputs'],
    [{ body: [1] }, 'ERR_INVALID_ARGUMENT', 'input 0'],
    [{ body: [uniform([5, 7])] }, 'ERR_INVALID_ARGUMENT', 'does not run on the example inputs'],
    [{ body: x }, 'ERR_INVALID_ARGUMENT', 'methods'],
  ])('refuses %o', async (methods, code, message) => {
    const error = await failure(() => cut(FORWARD, { methods: methods as never }))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  it('one without end stops at a signal', async () => {
    const source = `${FORWARD}def wait(self, n: int) -> int:\n  while n > 0:\n    n = n + 1\n  return n\n`
    const model = await network(source, SHAPES)
    const options = { inputs: [x], methods: { wait: [1] }, signal: AbortSignal.timeout(100) }
    expect((await failure(() => prune(model, options))).code).toBe('ERR_ABORTED')
    expect((await prune(model, { inputs: [x], ratio: 0.5 })).interface.methods.kept).toContain('wait')
  }, 30_000)

  it.skipIf(python === undefined)(
    'give in Python what the masked original does',
    async () => {
      const source = `${FORWARD}
def value(self, x: Tensor) -> Tensor:
  return torch.linear(self.body(x), self.critic.weight)
def sums(self, x: Tensor) -> Tensor:
  return self.body(x).view(-1, 8).sum(1)
`
      const { small, zeroed } = await cut(source, { methods: { value: [x], sums: [x] } })
      const path = join(folder, 'python.pt')
      await small.save(path)
      const program = [
        'import json, sys, torch, warnings',
        'warnings.filterwarnings("ignore")',
        'm = torch.jit.load(sys.argv[1]).eval()',
        'x = torch.tensor(json.loads(sys.argv[2])).reshape(5, 6)',
        'print(json.dumps([f(x).flatten().tolist() for f in (m, m.value, m.sums)]))',
      ].join('\n')
      const text = execFileSync(python!, ['-c', program, path, JSON.stringify(numbers(x))], { encoding: 'utf8' })
      for (const [k, method] of ['forward', 'value', 'sums'].entries()) {
        expectClose((await zeroed.callMethod(method, [x])) as Tensor, JSON.parse(text)[k], 1e-4)
      }
    },
    180_000,
  )
})
