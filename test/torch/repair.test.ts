import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load, type ScriptModule, Tensor } from 'espalier'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose, expected, model, numbers } from './support.js'

const reference = JSON.parse(readFileSync(new URL('../fixtures/trace-train.json', import.meta.url), 'utf8')) as {
  shape: number[]
  x: number[]
  output: number[]
}
const x = Tensor.from(Float32Array.from(reference.x), reference.shape)
const digits = (form: string) => fileURLToPath(new URL(`../../examples/data/resnet8.${form}.pt`, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'espalier-repair-'))
afterAll(() => rmSync(folder, { recursive: true }))

const counters = (network: ScriptModule) =>
  [...network.buffers()].filter(([name]) => name.endsWith('num_batches_tracked')).flatMap(([, t]) => numbers(t))

describe('a trace taken in train mode', () => {
  const train = model('toy_resnet.trace_train.pt')

  it('gives in eval mode what the network gives in eval mode', async () => {
    const network = (await load(train)).eval()
    expectClose((await network.forward(x)) as Tensor, reference.output, 1e-5)
    expect(network.repairs.map((r) => [r.operator, r.was])).toEqual(new Array(6).fill(['aten::batch_norm', true]))
    expect(network.repairs[0]?.scope).toBe('bn1')
  })

  it('is wrong when it is not repaired', async () => {
    const network = (await load(train, { repair: false })).eval()
    const values = numbers((await network.forward(x)) as Tensor)
    expect(Math.max(...values.map((v, i) => Math.abs(v - reference.output[i]!)))).toBeGreaterThan(1e-2)
    expect(network.repairs).toEqual([])
  })

  it('counts its batches in train mode only', async () => {
    const network = (await load(train)).eval()
    const before = counters(network)
    await network.forward(x)
    expect(counters(network)).toEqual(before)
    await network.train().forward(x)
    expect(counters(network)).toEqual(before.map((n) => n + 1))
  })

  it('stays repaired in its file and in its copies', async () => {
    const path = join(folder, 'repaired.pt')
    const network = await load(train)
    await network.save(path)
    for (const each of [await load(path, { repair: false }), network.clone(), await network.to('float32')]) {
      expectClose((await each.eval().forward(x)) as Tensor, reference.output, 1e-5)
    }
  })
})

describe('a trace taken in eval mode', () => {
  const mean = (network: ScriptModule, name: string) => numbers(network.buffers().get(`${name}.running_mean`)!)

  it('updates its statistics in train mode again', async () => {
    const network = await load(digits('trace'))
    const before = mean(network, 'bn1')
    await network.train().forward(Tensor.full([4, 1, 8, 8], 0.5))
    expect(mean(network, 'bn1')).not.toEqual(before)
  })

  it('leaves alone what it is told to leave alone', async () => {
    const network = await load(digits('trace'), { repair: ({ scope }) => scope !== 'bn1' })
    expect(network.repairs.map((r) => r.scope)).not.toContain('bn1')
    const before = [mean(network, 'bn1'), mean(network, 'layer1.0.bn1')]
    await network.train().forward(Tensor.full([4, 1, 8, 8], 0.5))
    expect(mean(network, 'bn1')).toEqual(before[0])
    expect(mean(network, 'layer1.0.bn1')).not.toEqual(before[1])
  })
})

it('a norm without statistics of its own keeps taking those of the input', async () => {
  const { x, output } = expected['own statistics']
  const network = (await load(model('own_statistics.trace.pt'))).eval()
  expect(network.repairs.map((r) => [r.scope, r.was])).toEqual([['bn', false]])
  expectClose((await network.forward(Tensor.from(x, [2, 3, 4, 4]))) as Tensor, output, 1e-5)
})

it('a script needs no repair', async () => {
  expect((await load(digits('script'))).repairs).toEqual([])
})
