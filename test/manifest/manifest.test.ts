import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  carryState,
  define,
  diffManifests,
  expandTensors,
  loadManifest,
  type Manifest,
  makeManifest,
  prune,
  replay,
  type ScriptModule,
  saveManifest,
  scope,
  sgd,
  shrinkTensors,
  Tensor,
} from 'espalier'
import { checkManifest } from 'espalier/analysis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../lib/base/random.js'
import { network, seeded, uniform } from '../support/networks.js'

const SOURCE = `def forward(self, x: Tensor) -> Tensor:
  y = torch.relu(torch.conv2d(x, self.a, self.b))
  return torch.linear(torch.relu(torch.conv2d(y, self.c)).mean([2, 3]), self.d)`
const SHAPES = { a: [8, 3, 3, 3], b: [8], c: [6, 8, 1, 1], d: [4, 6] }
const example = () => uniform([2, 3, 6, 6])

let folder: string
let model: ScriptModule
let manifest: Manifest
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-manifest-'))
  model = await network(SOURCE, SHAPES)
  manifest = makeManifest(await prune(model, { inputs: [example()], ratio: 0.5 }))
})
afterAll(() => {
  model.dispose()
  rmSync(folder, { recursive: true })
})

const numbers = (tensor: Tensor | undefined) => Array.from(tensor?.data() ?? [], Number)

/** The same network with other weights. */
async function sibling(shapes = SHAPES): Promise<ScriptModule> {
  return define(SOURCE, { parameters: seeded(shapes, new Random(99)) })
}

describe('a manifest', () => {
  it('holds kept indices and shapes, and survives a file', async () => {
    expect(Object.keys(manifest.keep)).toEqual(['a', 'b', 'c', 'd'])
    expect(manifest.sizes).toEqual(SHAPES)
    const path = join(folder, 'cut.json')
    await saveManifest(path, await prune(model, { inputs: [example()], ratio: 0.5 }))
    expect(await loadManifest(path)).toEqual(JSON.parse(readFileSync(path, 'utf8')))
    expect((await loadManifest(path)).keep).toEqual(manifest.keep)
  })

  const broken: [what: string, change: (m: Record<string, unknown>) => unknown, words: RegExp][] = [
    ['no object', () => [], /it is no object/],
    ['a newer schema', (m) => ({ ...m, schema: 2 }), /its schema is 2, known is 1/],
    ['counts that are none', (m) => ({ ...m, params: [1, -2] }), /'params' must be two counts/],
    ['no fingerprint', (m) => ({ ...m, fingerprint: 3 }), /'fingerprint'/],
    ['no shape', (m) => ({ ...m, sizes: {} }), /'sizes' has no shape for a/],
    ['a dimension too many', (m) => ({ ...m, keep: { d: { 2: [0] } } }), /d has no dimension 2/],
    ['indices that fall', (m) => ({ ...m, keep: { d: { 1: [2, 1] } } }), /of d, dimension 1, must rise within 0\.\.5/],
    ['indices beyond the end', (m) => ({ ...m, keep: { d: { 1: [6] } } }), /must rise within 0\.\.5/],
    ['nothing kept', (m) => ({ ...m, keep: { d: { 1: [] } } }), /must rise within 0\.\.5/],
  ]
  it.each(broken)('is refused with %s', (_, change, words) => {
    const content = JSON.parse(JSON.stringify(manifest)) as Record<string, unknown>
    expect(() => checkManifest(change(content))).toThrow(words)
    expect(() => checkManifest(change(content))).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })

  it('is refused when the file is missing or no JSON', async () => {
    await expect(loadManifest(join(folder, 'none.json'))).rejects.toMatchObject({ code: 'ERR_READ' })
    writeFileSync(join(folder, 'text.json'), 'text')
    await expect(loadManifest(join(folder, 'text.json'))).rejects.toThrow(/it is not JSON/)
  })
})

describe('replay', () => {
  it('cuts another checkpoint at the same indices', async () => {
    const other = await sibling()
    const { small, plan } = await replay(other, manifest, { inputs: [example()] })
    expect(plan.keep).toEqual(manifest.keep)
    const [kept] = [manifest.keep.d?.[1] as readonly number[]]
    const whole = other.parameters().get('d') as Tensor
    const expected = Array.from({ length: 4 }, (_, row) => kept.map((column) => whole.data()[row * 6 + column])).flat()
    expect(numbers(small.parameters().get('d'))).toEqual(expected)
    for (const each of [small, other]) each.dispose()
  })

  it('repeats cuts of heads and of their dimensions together', async () => {
    const source = `def forward(self, x: Tensor) -> Tensor:
  qkv = torch.linear(x, self.qkv).reshape(x.size(0), x.size(1), 3, 2, 4).permute(2, 0, 3, 1, 4)
  q, k, v = qkv.unbind(0)
  return torch.linear(torch.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2), self.proj)`
    const attention = await network(source, { qkv: [24, 6], proj: [5, 8] })
    const inputs = [uniform([2, 5, 6])]
    const cut = makeManifest(await prune(attention, { inputs, ratio: () => 0.5 }))
    expect(cut.removed.map(({ kind }) => kind).sort()).toEqual(['head-dims', 'heads'])
    const { plan } = await replay(attention, cut, { inputs })
    expect(plan.keep).toEqual(cut.keep)
    expect(plan.removed.map(({ units }) => units)).toEqual(cut.removed.map(({ units }) => units))
  })

  it('refuses another network, naming the first tensor that differs', async () => {
    const other = await sibling({ ...SHAPES, c: [5, 8, 1, 1], d: [4, 5] })
    await expect(replay(other, manifest, { inputs: [example()] })).rejects.toThrow(
      /of another network: c is \[5,8,1,1\], not \[6,8,1,1\]/,
    )
    other.dispose()
  })

  it('refuses a manifest that cuts apart what hangs together', async () => {
    const apart = { ...manifest, keep: { ...manifest.keep, b: { 0: [0, 1, 2, 3, 4] } } }
    await expect(replay(model, apart, { inputs: [example()] })).rejects.toThrow(
      /apart from what hangs together with it/,
    )
  })
})

describe('tensors across a cut', () => {
  it('come back with zeros where they were cut, and shrink to the same again', async () => {
    await scope(async () => {
      const { small } = await prune(model, { inputs: [example()], ratio: 0.5 })
      const large = expandTensors(manifest, small.parameters())
      expect(Object.fromEntries([...large].map(([name, { shape }]) => [name, [...shape]]))).toEqual(SHAPES)
      const bias = Array.from((large.get('b') as Tensor).data(), Number)
      const kept = manifest.keep.b?.[0] as readonly number[]
      const whole = Array.from((model.parameters().get('b') as Tensor).data(), Number)
      expect(bias).toEqual(whole.map((value, i) => (kept.includes(i) ? value : 0)))
      for (const [name, tensor] of shrinkTensors(manifest, large)) {
        expect(numbers(tensor)).toEqual(numbers(small.parameters().get(name)))
      }
    })
  })

  it('must have the shape that they had', () => {
    const wrong = new Map([['b', Tensor.zeros([7])]])
    expect(() => shrinkTensors(manifest, wrong)).toThrow(/b has shape \[7\] where the cut knows \[8\]/)
    expect(() => expandTensors(manifest, wrong)).toThrow(/b has shape \[7\] where the cut knows \[4\]/)
  })
})

describe('the state of an optimizer', () => {
  const factory = sgd({ lr: 0.1, momentum: 0.9 })
  const withGradients = (tensors: Iterable<Tensor>) => {
    for (const tensor of tensors) tensor.grad = Tensor.full(tensor.shape, 0.5)
  }

  it('goes on after the cut where it was before', async () => {
    await scope(async () => {
      const trained = await sibling()
      const parameters = trained.parameters()
      const optimizer = factory.bind(parameters)
      withGradients(parameters.values())
      await optimizer.step()
      const carried = carryState(manifest, optimizer.state())
      const { small } = await replay(trained, manifest, { inputs: [example()] })
      // One more step on either side, with the same gradients: the small weights are those of the large ones.
      const after = factory.bind(small.parameters(), carried)
      withGradients(small.parameters().values())
      for (const each of [optimizer, after]) await each.step()
      for (const [name, tensor] of shrinkTensors(manifest, parameters)) {
        expect(numbers(small.parameters().get(name))).toEqual(numbers(tensor))
      }
    })
  })

  it('is refused where it does not fit', () => {
    const state = { steps: 1, tensors: new Map([['b', { velocity: Tensor.zeros([8]) }]]) }
    const parameter = Tensor.zeros([4], { requiresGrad: true })
    expect(() => factory.bind(new Map([['b', parameter]]), state)).toThrow(
      /the state of b has shape \[8\], the parameter \[4\]/,
    )
  })
})

describe('two cuts', () => {
  it('differ in what only one of them keeps', () => {
    const second = {
      ...manifest,
      keep: { d: { 1: [0, 1, 2] } },
      sizes: { d: [4, 6] },
      params: [1, 2] as const,
    }
    const first = { ...manifest, keep: { b: { 0: [0, 2] }, d: { 1: [1, 2, 5] } }, sizes: { b: [8], d: [4, 6] } }
    expect(diffManifests(first, second)).toEqual({
      sameNetwork: true,
      dimensions: [
        { name: 'b', dim: 0, onlyFirst: [], onlySecond: [1, 3, 4, 5, 6, 7] },
        { name: 'd', dim: 1, onlyFirst: [5], onlySecond: [0] },
      ],
      params: [manifest.params[1], 2],
      macs: [manifest.macs[1], manifest.macs[1]],
    })
    expect(diffManifests(manifest, manifest).dimensions).toEqual([])
  })
})
