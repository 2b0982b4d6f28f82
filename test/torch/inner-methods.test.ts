import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load, type PruneOptions, prune, type ScriptModule, type Tensor } from 'espalier'
import { afterAll, describe, expect, it } from 'vitest'
import { masked } from '../support/masked.js'
import { network, uniform } from '../support/networks.js'
import { python } from '../support/python.js'
import { expectClose, failure, model, numbers } from './support.js'

const folder = mkdtempSync(join(tmpdir(), 'espalier-inner-'))
afterAll(() => rmSync(folder, { recursive: true }))

const x = uniform([5, 6])
const SHAPES = { 'a.weight': [8, 6], 'b.weight': [8, 8], 'c.weight': [3, 8], 'other.weight': [8, 6] }
const REST = 'torch.linear(torch.relu(torch.linear(h, self.b.weight)), self.c.weight)'

/** Cut to half, as it is and from its file, and the original with what was removed at zero. */
async function cut(source: string, options: Partial<PruneOptions> = {}, rows = 4) {
  const whole = await network(source, SHAPES)
  const result = await prune(whole, { inputs: [x], ratio: 0.5, ...options })
  expect(result.small.parameters().get('a.weight')!.shape).toEqual([rows, 6])
  const zeroed = await masked(whole, result.plan.keep as never)
  const modules = [result.small, await load(await result.small.toBuffer())]
  for (const each of modules) {
    expectClose((await each.forward(x)) as Tensor, numbers((await zeroed.forward(x)) as Tensor), 1e-4)
  }
  return { ...result, zeroed, modules }
}

const raises = async (
  module: ScriptModule,
  method: string,
  inputs: readonly (Tensor | string | number | boolean)[],
) => {
  const error = await failure(() => module.callMethod(method, inputs))
  expect(error.code).toBe('ERR_TORCH')
  return error.message
}

/** A pooling as vision transformers have it: `forward` takes one of its ways. */
const POOL = `
def pool(self, x: Tensor, mode: str = 'mean', keep: bool = False) -> Tensor:
  h = torch.relu(torch.linear(x, self.a.weight))
  if mode == 'max':
    h = h.max(dim=1, keepdim=True)[0].expand([5, 8])
  elif mode == 'twice':
    h = h * 2
  elif mode == 'halves':
    h = h.view(-1, 4, 2).flatten(1)
  if keep:
    h = h.clone()
  return h
def forward(self, x: Tensor) -> Tensor:
  h = self.pool(x)
  return ${REST}
`

describe('a method that forward calls', () => {
  it('goes on where forward never went, if its code allows it; else that branch raises, and is told', async () => {
    const { modules, zeroed, plan, interface: report } = await cut(POOL)
    expect(report.methods).toEqual({ kept: [], cut: ['pool'], dropped: [] })
    expect(report.closed).toEqual([
      { method: 'pool', reason: 'aten::max of an input', whole: false },
      { method: 'pool', reason: 'aten::view of an input', whole: false },
    ])
    const kept = (plan.keep['a.weight'] as Record<number, readonly number[]>)[0]!
    for (const each of modules) {
      for (const inputs of [[x], [x, 'mean', true], [x, 'twice']]) {
        const wanted = numbers((await zeroed.callMethod('pool', inputs)) as Tensor)
        const narrow = wanted.filter((_, i) => kept.includes(i % 8))
        expectClose((await each.callMethod('pool', inputs)) as Tensor, narrow, 1e-5)
      }
      for (const mode of ['max', 'halves']) {
        expect(await raises(each, 'pool', [x, mode])).toBe(
          'This branch of `pool` was closed when the model was cut: `forward` does not take it',
        )
      }
    }
  })

  it.each([
    ['a flag', 'deep: bool = False', 'deep'],
    ['a number', 'deep: int = 0', 'deep == 2'],
    ['a text', "deep: str = 'no'", "deep == 'yes'"],
    ['a number that is computed with', 'deep: int = 1', 'deep * 2 - 1 > 1'],
    ['a tensor that is missing', 'deep: Optional[Tensor] = None', 'deep is not None'],
  ])('a branch that %s decides raises', async (_what, argument, condition) => {
    const source = `
def body(self, x: Tensor, ${argument}) -> Tensor:
  h = torch.relu(torch.linear(x, self.a.weight))
  if ${condition}:
    h = h.softmax(1)
  return h
def forward(self, x: Tensor) -> Tensor:
  h = self.body(x)
  return ${REST}
`
    const { modules, interface: report } = await cut(source)
    expect(report.closed).toEqual([{ method: 'body', reason: 'aten::softmax of an input', whole: false }])
    const taken = { deep: true, 'deep == 2': 2, "deep == 'yes'": 'yes', 'deep * 2 - 1 > 1': 3, 'deep is not None': x }
    for (const each of modules) {
      expect(((await each.callMethod('body', [x])) as Tensor).shape).toEqual([5, 4])
      expect(await raises(each, 'body', [x, taken[condition as keyof typeof taken]])).toMatch('branch of `body`')
    }
  })

  it('a branch that gives another width than the one taken raises', async () => {
    const source = `
def body(self, x: Tensor, plain: bool = False) -> Tensor:
  if plain:
    h = torch.linear(x, self.other.weight)
  else:
    h = torch.linear(x, self.a.weight)
  return torch.relu(h.view(-1, 8))
def forward(self, x: Tensor) -> Tensor:
  h = self.body(x)
  return ${REST}
`
    const { modules, interface: report } = await cut(source)
    expect(report.closed.map(({ method, whole }) => [method, whole])).toEqual([['body', false]])
    for (const each of modules) expect(await raises(each, 'body', [x, true])).toMatch('branch of `body`')
  })

  it('one of which an argument decides a width raises as a whole; the cut is not refused', async () => {
    const source = `
def body(self, x: Tensor, width: int) -> Tensor:
  return torch.relu(torch.linear(x, self.a.weight).view(-1, width))
def forward(self, x: Tensor) -> Tensor:
  h = self.body(x, 8)
  return ${REST}
`
    const { modules, interface: report } = await cut(source)
    expect(report.methods.cut).toEqual(['body'])
    expect(report.closed).toEqual([{ method: 'body', reason: 'its arguments decide a width', whole: true }])
    for (const each of modules) {
      expect(await raises(each, 'body', [x, 8])).toBe(
        '`body` was closed when the model was cut: it could not be cut for all of its callers',
      )
    }
  })

  it('one that is called for several widths raises as a whole', async () => {
    const source = `
def shape(self, h: Tensor) -> Tensor:
  return h.view(-1, 8)
def forward(self, x: Tensor) -> Tensor:
  h = torch.relu(self.shape(torch.linear(x, self.a.weight)))
  return torch.linear(torch.relu(self.shape(torch.linear(h, self.b.weight))), self.c.weight)
`
    const whole = await network(source, SHAPES)
    const ratio: PruneOptions['ratio'] = ({ members }) => (members.some(({ name }) => name === 'a.weight') ? 0.5 : 0.25)
    const { small, interface: report } = await prune(whole, { inputs: [x], ratio })
    expect(report.closed).toEqual([
      { method: 'shape', reason: '`forward` calls it several times, and each is cut apart', whole: true },
    ])
    expect(await raises(small, 'shape', [uniform([2, 8])])).toMatch('`shape` was closed')
  })

  it('one that takes a branch which raises is refused when forward does not call it, unless it is recorded', async () => {
    const source = `${POOL}
def features(self, x: Tensor) -> None:
  self.pool(x, 'max')
`
    const error = await failure(() => cut(source))
    expect(error.code).toBe('ERR_UNSUPPORTED')
    expect(error.message).toMatch(
      "The method `features` can't be cut along with `forward`: it calls `pool`, which raises",
    )
    const dropped = await cut(source, { dropMethods: ['features'] })
    expect(dropped.interface.methods.dropped).toEqual(['features'])
    const { modules, zeroed, interface: report } = await cut(source, { methods: { pool: [x, 'max'] } }, 8)
    expect(report.methods.dropped).toEqual([])
    for (const each of modules) {
      const wanted = numbers((await zeroed.callMethod('pool', [x, 'max'])) as Tensor)
      expectClose((await each.callMethod('pool', [x, 'max'])) as Tensor, wanted, 1e-5)
      await each.callMethod('features', [x])
    }
  })

  it('a private one is told of as well', async () => {
    const { interface: report } = await cut(POOL.replaceAll('pool', '_pool'))
    expect(report.closed.map(({ method }) => method)).toEqual(['_pool', '_pool'])
  })

  it('what raises does so in a model that is cut again', async () => {
    const { modules } = await cut(POOL)
    const { small, interface: report } = await prune(modules[1]!, { inputs: [x], ratio: 0.5 })
    expect(small.parameters().get('a.weight')!.shape).toEqual([2, 6])
    expect(report.methods.cut).toEqual(['pool'])
    expect(((await small.callMethod('pool', [x])) as Tensor).shape).toEqual([5, 2])
    for (const mode of ['max', 'halves']) expect(await raises(small, 'pool', [x, mode])).toMatch('branch of `pool`')
  })

  it('one of a submodule is cut along, and again when the model is cut again', async () => {
    let whole = (await load(model('encoded.script.pt'))).eval()
    for (const width of [8, 4]) {
      const { small, plan, interface: report } = await prune(whole, { inputs: [x], ratio: 0.5 })
      expect(report.methods).toEqual({ kept: [], cut: ['encoder.encode'], dropped: [] })
      const zeroed = await masked(whole, plan.keep as never)
      const kept = (plan.keep['encoder.body.weight'] as Record<number, readonly number[]>)[0]!
      expect(kept).toHaveLength(width)
      const wanted = numbers((await zeroed.callMethod('encoder.encode', [x])) as Tensor)
      const again = await load(await small.toBuffer())
      for (const each of [small, again]) {
        const narrow = wanted.filter((_, i) => kept.includes(i % (2 * width)))
        expectClose((await each.callMethod('encoder.encode', [x])) as Tensor, narrow, 1e-5)
        expect(await raises(each, 'encoder.encode', [x, true])).toMatch('branch of `encode`')
      }
      whole = again
    }
  })

  it.skipIf(python === undefined)(
    'raises in Python with the same words',
    async () => {
      const { modules } = await cut(POOL)
      const path = join(folder, 'pool.pt')
      await modules[0]!.save(path)
      const program = [
        'import sys, torch, warnings',
        'warnings.filterwarnings("ignore")',
        'm = torch.jit.load(sys.argv[1]).eval()',
        'x = torch.zeros(5, 6)',
        'print(list(m.pool(x, "twice", True).shape))',
        'try:',
        '    m.pool(x, "max")',
        'except torch.jit.Error as error:',
        '    print(str(error).strip().splitlines()[-1])',
      ].join('\n')
      const text = execFileSync(python!, ['-c', program, path], { encoding: 'utf8' })
      expect(text.trim().split('\n')).toEqual([
        '[5, 4]',
        'RuntimeError: This branch of `pool` was closed when the model was cut: `forward` does not take it',
      ])
    },
    180_000,
  )
})
