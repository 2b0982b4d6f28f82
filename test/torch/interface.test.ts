import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { define, load, makeManifest, prune, replay, type ScriptModule, Tensor } from 'espalier'
import type { CutRequest } from 'espalier/torch'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { masked } from '../support/masked.js'
import { network, uniform } from '../support/networks.js'
import { python } from '../support/python.js'
import { expectClose, failure, model, numbers } from './support.js'

const folder = mkdtempSync(join(tmpdir(), 'espalier-interface-'))
afterAll(() => rmSync(folder, { recursive: true }))

const x = uniform([5, 6])
const nothing: CutRequest = {}
const output = async (module: ScriptModule, method: string, ...inputs: Tensor[]) =>
  (await module.callMethod(method, inputs)) as Tensor

const elementsOf = (module: ScriptModule, names: readonly string[]) =>
  names.reduce((sum, name) => sum + module.parameters().get(name)!.numel, 0)

describe('a policy with methods beside forward', () => {
  let policy: ScriptModule
  let small: ScriptModule
  let zeroed: ScriptModule
  beforeEach(async () => {
    policy = (await load(model('policy.script.pt'))).eval()
    const result = await prune(policy, { inputs: [x], ratio: 0.5 })
    small = result.small
    zeroed = await masked(policy, result.plan.keep as never)
    expect(small.parameters().get('body.weight')!.shape).toEqual([4, 6])
  })

  it('keeps them all: a reset as it is, what computes with cut weights cut along', () => {
    expect(new Set(small.methods())).toEqual(new Set(policy.methods()))
    const { kept, cut, dropped } = small.interface!.methods
    expect(new Set(kept)).toEqual(new Set(['value', 'twice', 'reset', '__len__', 'memory.clear', 'critic.__len__']))
    expect(new Set(cut)).toEqual(new Set(['window', 'logits']))
    expect(dropped).toEqual([])
  })

  it('computes in each of them what the masked original does, now and from its file', async () => {
    const path = join(folder, 'policy.pt')
    await small.save(path)
    for (const each of [small, await load(path)]) {
      for (const method of ['forward', 'logits', 'value', 'twice']) {
        const wanted = await output((await zeroed.clone()).eval(), method, x)
        expectClose(await output((await each.clone()).eval(), method, x), numbers(wanted), 1e-5)
      }
      expect((await output(each, 'window', x)).shape).toEqual([5, 4])
    }
  })

  it('a reset resets the state of the small one', async () => {
    const plain = numbers(await output((await small.clone()).eval(), 'forward', x))
    for (const each of [small, await load(await small.toBuffer())]) {
      await each.forward(x)
      await each.forward(x)
      expect(await each.callMethod('__len__')).toBe(2)
      await each.callMethod('reset')
      expect(await each.callMethod('__len__')).toBe(0)
      expect(numbers(each.buffers().get('memory.state')!)).toEqual([0, 0, 0, 0])
      expect(numbers((await each.forward(x)) as Tensor)).not.toEqual(plain)
    }
  })

  it('a method of a submodule is there, too', async () => {
    await small.callMethod('memory.clear')
    expect(numbers(small.buffers().get('memory.state')!)).toEqual([0, 0, 0, 0])
    expect((await failure(() => small.callMethod('memory.nothing'))).code).toBe('ERR_INVALID_ARGUMENT')
  })

  it('tells what forward never reads, and who does', () => {
    const critic = ['critic.0.weight', 'critic.0.bias', 'critic.2.weight', 'critic.2.bias']
    expect(small.interface!.unreached).toEqual([
      ...critic.map((name) => ({ name, usedBy: ['value'], dropped: false })),
      ...['spare.weight', 'spare.bias'].map((name) => ({ name, usedBy: [], dropped: false })),
    ])
    expect([...small.parameters().keys()]).toEqual([...policy.parameters().keys()])
  })

  it('removes it on demand, but nothing that a method uses', async () => {
    const { small: less, interface: report } = await prune(policy, {
      ...{ inputs: [x], ratio: 0.5, dropUnreached: true },
    })
    const gone = ['spare.weight', 'spare.bias']
    expect(report.unreached.filter((each) => each.dropped).map((each) => each.name)).toEqual(gone)
    const again = await load(await less.toBuffer())
    for (const each of [less, again]) {
      expect([...each.parameters().keys()]).toEqual([...policy.parameters().keys()].filter((n) => !gone.includes(n)))
      const wanted = numbers(await output((await zeroed.clone()).eval(), 'forward', x))
      expectClose((await (await each.clone()).eval().forward(x)) as Tensor, wanted, 1e-5)
      expect((await output(each, 'value', x)).shape).toEqual([5, 1])
    }
  })

  it('counts what is left, and a replay of its manifest lets the same go', async () => {
    const options = { inputs: [x], ratio: 0.5, dropUnreached: true, dropMethods: true } as const
    const result = await prune(policy, options)
    const manifest = makeManifest(result)
    const elements = (module: ScriptModule) => [...module.parameters().values()].reduce((sum, p) => sum + p.numel, 0)
    expect(manifest.params).toEqual([elements(policy), elements(result.small)])
    const again = await replay(policy, manifest, { inputs: [x] })
    expect([...again.small.parameters().keys()]).toEqual([...result.small.parameters().keys()])
    expect(again.interface).toEqual(result.interface)
    expect(makeManifest(again)).toMatchObject({ params: manifest.params, keep: manifest.keep })
    const kept = await replay(policy, manifest, { inputs: [x], dropUnreached: false })
    expect(kept.small.parameters().has('spare.weight')).toBe(true)
    expect(kept.plan.params[1]).toBe(elements(kept.small))
  })

  it('a manifest that lets go of what forward reads is refused', async () => {
    const manifest = makeManifest(await prune(policy, { inputs: [x], ratio: 0.5, dropUnreached: true }))
    const told = manifest.interface!
    const unreached = told.unreached.map((each) => ({ ...each, dropped: each.usedBy.length > 0 }))
    const gone = elementsOf(
      policy,
      unreached.filter(({ dropped }) => dropped).map(({ name }) => name),
    )
    const before = elementsOf(policy, ['spare.weight', 'spare.bias'])
    const params = [manifest.params[0], manifest.params[1] + before - gone] as const
    const error = await failure(() =>
      replay(policy, { ...manifest, params, interface: { ...told, unreached } }, { inputs: [x] }),
    )
    expect([error.code, error.message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringContaining('spare.weight')])
  })

  it('its manifest lists every change', async () => {
    const result = await prune(policy, { inputs: [x], ratio: 0.5 })
    expect(JSON.parse(JSON.stringify(makeManifest(result))).interface).toEqual(result.small.interface)
  })

  it.skipIf(python === undefined)(
    'has its methods in Python',
    async () => {
      const path = join(folder, 'policy-python.pt')
      await small.save(path)
      const program = [
        'import json, sys, torch, warnings',
        'warnings.filterwarnings("ignore")',
        'm = torch.jit.load(sys.argv[1]).eval()',
        'x = torch.tensor(json.loads(sys.argv[2])).reshape(5, 6)',
        // (len() knows only modules that were scripted in the same process.)
        'seen = m._c._get_method("__len__")',
        'a = m.logits(x); m(x); n = seen(); m.reset()',
        'print(json.dumps([a.flatten().tolist(), n, seen(), m.memory.state.tolist(), list(m.window(x).shape)]))',
      ].join('\n')
      const text = execFileSync(python!, ['-c', program, path, JSON.stringify(numbers(x))], { encoding: 'utf8' })
      const [logits, seen, left, state, shape] = JSON.parse(text)
      expectClose(await output(small, 'logits', x), logits, 1e-5)
      expect([seen, left, state, shape]).toEqual([1, 0, [0, 0, 0, 0], [5, 4]])
    },
    180_000,
  )
})

describe('a method that knows a width', () => {
  let widths: ScriptModule
  beforeEach(async () => {
    widths = (await load(model('widths.script.pt'))).eval()
  })

  it('refuses the cut, with its name and what it uses', async () => {
    const error = await failure(() => prune(widths, { inputs: [x], ratio: 0.5 }))
    expect(error.code).toBe('ERR_UNSUPPORTED')
    expect(error.message).toBe(
      "The method `halves` can't be cut along with `forward`: aten::view of body.weight. " +
        "Give methods: { 'halves': [its example inputs] } to have it recorded, or dropMethods: ['halves'] to go without it",
    )
  })

  it.each([[['halves']], [true]] as const)('goes where dropMethods is %j', async (dropMethods) => {
    const { small } = await prune(widths, { inputs: [x], ratio: 0.5, dropMethods })
    expect(small.interface!.methods.dropped).toEqual(['halves'])
    expect(small.methods()).not.toContain('halves')
    expect(small.methods()).toContain('logits')
    expect((await load(await small.toBuffer())).methods()).not.toContain('halves')
  })

  it('a name that is no method is refused', async () => {
    const error = await failure(() => prune(widths, { inputs: [x], dropMethods: ['halfs'] }))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(error.message).toMatch("no method 'halfs'")
  })
})

describe('methods of a small network', () => {
  const shapes = { 'a.weight': [8, 6], 'a.bias': [8], 'b.weight': [3, 8], 'scale.weight': [8], 'c.weight': [8, 6] }
  const forward = [
    'def forward(self, x: Tensor) -> Tensor:',
    '  return torch.linear(torch.relu(torch.linear(x, self.a.weight, self.a.bias)), self.b.weight)',
    '',
  ]
  const cut = async (method: string[]) => {
    const made = await network([...forward, ...method].join('\n'), shapes)
    return prune(made, { inputs: [x], ratio: 0.5 })
  }

  it.each([
    ['adds what was not cut', 'torch.linear(x, self.a.weight) + torch.linear(x, self.c.weight)'],
    ['scales by what was not cut', 'torch.linear(x, self.a.weight) * self.scale.weight'],
    ['reads along a cut dimension', 'torch.linear(x, self.a.weight)[:, 2]'],
    ['reduces a cut dimension', 'torch.linear(x, self.a.weight).max(1)[0]'],
    ['asks for a width', 'x * float(self.a.weight.size(0))'],
    ['takes what a cut tensor would have given', 'torch.linear(x, self.b.weight)'],
  ])('one that %s refuses the cut', async (_what, expression) => {
    const error = await failure(() => cut(['def other(self, x: Tensor) -> Tensor:', `  return ${expression}`]))
    expect(error.code).toBe('ERR_UNSUPPORTED')
    expect(error.message).toMatch('The method `other`')
  })

  it('a private one that can not be cut goes, and is told', async () => {
    const { small } = await cut(['def _other(self, x: Tensor) -> Tensor:', '  return self.a.weight.view(4, 12)'])
    expect(small.interface!.methods.dropped).toEqual(['_other'])
  })

  it('one that calls another that goes, goes with it or refuses the cut', async () => {
    const error = await failure(() =>
      cut([
        'def _other(self, x: Tensor) -> Tensor:',
        '  return self.a.weight.view(4, 12)',
        'def caller(self, x: Tensor) -> Tensor:',
        '  return self._other(x)',
      ]),
    )
    expect(error.message).toMatch('`caller`')
  })

  it('one that puts a tensor of the old width into a state refuses the cut', async () => {
    const source = [
      'def forward(self, x: Tensor) -> Tensor:',
      '  return torch.linear(torch.relu(torch.linear(x, self.a.weight)) + self.state, self.b.weight)',
      'def fresh(self) -> None:',
      '  self.state = torch.zeros([8])',
    ].join('\n')
    const { 'a.weight': a, 'b.weight': b } = shapes
    const made = await network(source, { 'a.weight': a, 'b.weight': b }, { state: Tensor.full([8], 0.25) })
    const error = await failure(() => prune(made, { inputs: [x], ratio: 0.5 }))
    expect(error.message).toMatch('the assignment of state')
    const like = source.replace('torch.zeros([8])', 'torch.zeros_like(self.state)')
    const other = await network(like, { 'a.weight': a, 'b.weight': b }, { state: Tensor.full([8], 0.25) })
    const { small } = await prune(other, { inputs: [x], ratio: 0.5 })
    await small.callMethod('fresh')
    expect(numbers(small.buffers().get('state')!)).toEqual([0, 0, 0, 0])
  })
})

it('a method that sets a number which forward computes with, but no size, stays', async () => {
  const counting = (await load(model('counting.script.pt'))).eval()
  const { small, interface: report } = await prune(counting, { inputs: [x], ratio: 0.5 })
  expect(report.methods).toEqual({ kept: ['reset'], cut: [], dropped: [] })
  const first = numbers((await small.forward(x)) as Tensor)
  expectClose(
    (await small.forward(x)) as Tensor,
    first.map((value) => value + 0.01),
    1e-5,
  )
  await small.callMethod('reset')
  expectClose((await small.forward(x)) as Tensor, first, 1e-6)
})

it.each(['behind', 'hooked'])(
  'a model with a layer of this kind is cut, and computes the same from its file: %s',
  async (name) => {
    const whole = (await load(model(`${name}.script.pt`))).eval()
    const { small, plan, interface: report } = await prune(whole, { inputs: [x], ratio: 0.5 })
    expect(plan.params[1]).toBeLessThan(plan.params[0])
    expect(report.closed).toEqual([])
    const zeroed = await masked(whole, plan.keep as never)
    for (const each of [small, await small.clone(), await load(await small.toBuffer())]) {
      expect(new Set(each.methods())).toEqual(new Set(whole.methods()))
      for (const method of each.methods()) {
        expectClose(await output(each, method, x), numbers(await output(zeroed, method, x)), 1e-5)
      }
      expect((await prune(each, { inputs: [x], ratio: 0.5 })).plan.params[1]).toBeLessThan(plan.params[1])
    }
  },
)

it('an attribute that a method sets is no constant of forward', async () => {
  const source = [
    'def forward(self, x: Tensor) -> Tensor:',
    '  y = torch.linear(x, self.a.weight)',
    '  if self.training:',
    '    y = y + 1',
    '  return torch.linear(torch.relu(y), self.b.weight) * self.gain',
    'def louder(self) -> None:',
    '  self.gain = self.gain * 2',
  ].join('\n')
  const made = await network(source, { 'a.weight': [8, 6], 'b.weight': [3, 8] }, { gain: Tensor.full([1], 1) })
  const { small } = await prune(made, { inputs: [x], ratio: 0.5 })
  const before = numbers((await small.forward(x)) as Tensor)
  await small.callMethod('louder')
  expectClose(
    (await small.forward(x)) as Tensor,
    before.map((value) => 2 * value),
  )
})

it('a module without other methods tells of none', async () => {
  const made = await define('def forward(self, x: Tensor) -> Tensor:\n  return torch.linear(x, self.w)', {
    parameters: { w: uniform([3, 6]) },
  })
  const same = await made.cut(await made.record([x]), nothing)
  expect(same.interface).toEqual({ methods: { kept: [], cut: [], dropped: [] }, closed: [], unreached: [] })
})
