import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load, prune, type ScriptModule, Tensor } from 'espalier'
import { analyse } from 'espalier/analysis'
import { type CutRequest, run } from 'espalier/torch'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { python } from '../support/python.js'
import { expectClose, failure, model, numbers } from './support.js'

const digits = (form: string) => fileURLToPath(new URL(`../../examples/data/resnet8.${form}.pt`, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'espalier-cut-'))
afterAll(() => rmSync(folder, { recursive: true }))

const x = Tensor.from(
  Float32Array.from({ length: 2 * 64 }, (_, i) => Math.sin(i)),
  [2, 1, 8, 8],
)
const nothing: CutRequest = {}
const keep = Int32Array.from([0, 2, 3, 5, 6, 7, 8, 9, 10, 12])

/** By hand: the channels of layer1.0.conv1, its norm, and the columns of layer1.0.conv2. */
const byHand = {
  slices: [
    ...['conv1.weight', 'bn1.weight', 'bn1.bias', 'bn1.running_mean', 'bn1.running_var'].map((name) => ({
      name: `layer1.0.${name}`,
      dim: 0,
      keep,
    })),
    { name: 'layer1.0.conv2.weight', dim: 1, keep },
  ],
}

async function masked(network: ScriptModule): Promise<ScriptModule> {
  const copy = (await network.clone()).eval()
  const gone = Array.from({ length: 16 }, (_, i) => i).filter((i) => !keep.includes(i))
  const index = Tensor.from(BigInt64Array.from(gone, BigInt), [gone.length])
  const parameters = copy.parameters()
  const program = byHand.slices
    .filter(({ name }) => parameters.has(name))
    .map(({ name, dim }) => ({ op: 'aten::index_fill_.int_Scalar', args: [parameters.get(name)!, dim, index, 0] }))
  await run(program, { returns: [] })
  return copy
}

describe.each(['script', 'trace'])('a cut of a %s by hand', (form) => {
  let network: ScriptModule
  let small: ScriptModule
  beforeEach(async () => {
    network = (await load(digits(form))).eval()
    const recording = await network.record([x])
    small = (await network.cut(recording, byHand)).eval()
    recording.dispose()
  })

  it('equals the original with these slices zeroed', async () => {
    const wanted = (await (await masked(network)).forward(x)) as Tensor
    expectClose((await small.forward(x)) as Tensor, numbers(wanted), 1e-5)
    expect(small.parameters().get('layer1.0.conv1.weight')?.shape).toEqual([10, 16, 3, 3])
    expect(small.buffers().get('layer1.0.bn1.running_var')?.shape).toEqual([10])
  })

  it('leaves the original as it was', async () => {
    const fresh = await load(digits(form))
    expect(Buffer.compare(await network.toBuffer(), await fresh.eval().toBuffer())).toBe(0)
  })

  it('keeps the names and order of the state_dict', () => {
    expect([...small.parameters().keys()]).toEqual([...network.parameters().keys()])
    expect([...small.buffers().keys()]).toEqual([...network.buffers().keys()])
  })

  it('is saved, loaded and trained: gradients reach every parameter', async () => {
    const path = join(folder, `${form}.pt`)
    await small.save(path)
    const again = await load(path)
    expectClose((await again.eval().forward(x)) as Tensor, numbers((await small.forward(x)) as Tensor), 0)
    const output = (await again.train().forward(x)) as Tensor
    const [sum] = await run([{ op: 'aten::sum', args: [output] }], { grad: true })
    await (sum as Tensor).backward()
    const without = [...again.parameters()].filter(([, p]) => p.grad === null).map(([name]) => name)
    expect(without).toEqual([])
  })

  it('follows train and eval', async () => {
    const mean = () => numbers(small.buffers().get('bn1.running_mean')!)
    const before = mean()
    await small.forward(x)
    expect(mean()).toEqual(before)
    await small.train().forward(x)
    expect(mean()).not.toEqual(before)
  })

  it('is recorded and cut again, with the same scopes, also from its file', async () => {
    const path = join(folder, `${form}-again.pt`)
    await small.save(path)
    const loaded = (await load(path)).eval()
    const original = await network.record([x])
    const scopes = (ops: typeof original.record.ops) =>
      ops.filter((op) => /conv|norm/.test(op.name)).map((op) => op.scope)
    for (const each of [small, loaded]) {
      const recording = await each.record([x])
      expect(scopes(recording.record.ops)).toEqual(scopes(original.record.ops))
      expect(analyse(recording.record).groups.map((g) => g.size)).toContain(10)
      const { small: smaller, verification } = await prune(each, { inputs: [x], ratio: 0.5 })
      expect(smaller.parameters().get('layer1.0.conv1.weight')?.shape[0]).toBe(5)
      expect(Math.max(...verification.passes.map((p) => p.error))).toBeLessThan(1e-9)
    }
  })

  it.skipIf(python === undefined)(
    'gives the same in Python',
    async () => {
      const path = join(folder, `${form}-python.pt`)
      await small.save(path)
      const program = [
        'import json, sys, math, torch, warnings',
        'warnings.filterwarnings("ignore")',
        'm = torch.jit.load(sys.argv[1]).eval()',
        'x = torch.tensor([math.sin(i) for i in range(128)]).reshape(2, 1, 8, 8)',
        'print(json.dumps(m(x).flatten().tolist()))',
      ].join('\n')
      const output = JSON.parse(execFileSync(python!, ['-c', program, path], { encoding: 'utf8' })) as number[]
      expectClose((await small.forward(x)) as Tensor, output, 1e-5)
    },
    180_000,
  )
})

describe('an empty cut', () => {
  it('computes the same, and ties what was tied', async () => {
    const tied = await load(model('tied.script.pt'))
    const tokens = Tensor.from(BigInt64Array.of(0n, 1n), [2])
    const recording = await tied.record([tokens])
    const copy = await tied.cut(recording, nothing)
    expectClose((await copy.forward(tokens)) as Tensor, numbers((await tied.forward(tokens)) as Tensor), 0)
    const distinct = (m: ScriptModule) => new Set(m.parameters().values()).size
    expect(distinct(copy)).toBe(distinct(tied))
    expect(copy.parameters().size).toBeGreaterThan(distinct(copy))
  })

  it('takes the branch that an enum of the program decides, now and from its file', async () => {
    const choice = await load(model('choice.script.pt'))
    const image = Tensor.from(
      Float32Array.from({ length: 24 }, (_, i) => Math.cos(i)),
      [1, 3, 2, 4],
    )
    const output = (await choice.forward(image)) as Tensor
    const copy = await choice.cut(await choice.record([image]), nothing)
    for (const each of [copy, await load(await copy.toBuffer())]) {
      const same = (await each.forward(image)) as Tensor
      expect(same.shape).toEqual([1, 4, 2, 4])
      expectClose(same, numbers(output), 0)
    }
  })
})

describe('an impossible cut is refused, and the model still works', () => {
  const place = { node: 0, input: 0 }
  it.each<[string, Partial<CutRequest>, string]>([
    ['an unknown parameter', { slices: [{ name: 'nobody.weight', dim: 0, keep }] }, 'ERR_INVALID_ARGUMENT'],
    ['an unknown dimension', { slices: [{ name: 'fc.bias', dim: 1, keep }] }, 'ERR_INVALID_ARGUMENT'],
    [
      'an index out of range',
      { slices: [{ name: 'fc.bias', dim: 0, keep: Int32Array.of(99) }] },
      'ERR_INVALID_ARGUMENT',
    ],
    ['an unknown node', { constants: [{ ...place, node: 1e6, value: 1 }] }, 'ERR_INVALID_ARGUMENT'],
    ['an unknown input', { constants: [{ ...place, input: 99, value: 1 }] }, 'ERR_INVALID_ARGUMENT'],
    ['widths that do not fit', { slices: [{ name: 'fc.weight', dim: 1, keep }] }, 'ERR_UNSUPPORTED'],
  ])('%s', async (_, request, code) => {
    const network = (await load(digits('trace'))).eval()
    const recording = await network.record([x])
    expect((await failure(() => network.cut(recording, request))).code).toBe(code)
    expect((await network.forward(x)) instanceof Tensor).toBe(true)
    recording.dispose()
    expect((await failure(() => network.cut(recording, nothing))).code).toBe('ERR_DISPOSED')
  })
})
