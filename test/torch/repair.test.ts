import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load, type ScriptModule, Tensor } from 'espalier'
import { afterAll, describe, expect, it } from 'vitest'
import { network } from '../support/networks.js'
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
    for (const each of [await load(path, { repair: false }), await network.clone(), await network.to('float32')]) {
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

  it('counts its batches in train mode as nn.BatchNorm does, and from its file', async () => {
    for (const network of [await load(digits('trace')), await load(await (await load(digits('trace'))).toBuffer())]) {
      const before = counters(network)
      expect(before.length).toBeGreaterThan(0)
      await network.eval().forward(Tensor.full([4, 1, 8, 8], 0.5))
      expect(counters(network)).toEqual(before)
      await network.train().forward(Tensor.full([4, 1, 8, 8], 0.5))
      await network.forward(Tensor.full([4, 1, 8, 8], 0.5))
      expect(counters(network)).toEqual(before.map((n) => n + 2))
    }
  })

  it('a norm without a momentum takes the mean of all batches', async () => {
    const network = await load(model('no_momentum.trace.pt'))
    const batches = [
      [1, 3],
      [5, 11],
      [0, 4],
    ]
    for (const [a, b] of batches) await network.train().forward(Tensor.from([a!, b!], [2, 1]))
    expectClose(network.buffers().get('running_mean')!, [(2 + 8 + 2) / 3], 1e-6)
    expectClose(network.buffers().get('running_var')!, [(2 + 18 + 8) / 3], 1e-5)
    expect(counters(network)).toEqual([3])
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

// What tracing writes down in train mode, each for an input of [2, 3, 4] that gives itself in eval mode.
const DROPPING: Readonly<Record<string, { operator: string; body: string }>> = {
  'stochastic depth of torchvision and timm': {
    operator: 'aten::bernoulli_',
    body: `noise = torch.bernoulli_(torch.empty([x.size(0), 1, 1]), 0.5)
  return x * torch.div_(noise, 0.5)`,
  },
  'stochastic depth of transformers': {
    operator: 'aten::rand',
    body: `noise = torch.floor_(torch.add(torch.rand([x.size(0), 1, 1]), 0.5, 1))
  return torch.div(x, 0.5) * noise`,
  },
  'dropout inside of attention': {
    operator: 'aten::scaled_dot_product_attention',
    body: 'return torch.scaled_dot_product_attention(x * 0.0, x * 0.0, x, None, 0.5)',
  },
}

describe.each(Object.entries(DROPPING))('%s in a trace taken in train mode', (_, { operator, body }) => {
  const attention = operator.includes('attention')
  const values = Float32Array.from({ length: 24 }, (_, i) => 1 + (attention ? Math.floor(i / 12) : i))
  const input = () => Tensor.from(values, [2, 3, 4])
  const traced = async (options = {}) => {
    const made = await network(`def forward(self, x: Tensor) -> Tensor:\n  ${body}`, { unused: [1] })
    return load(await made.toBuffer(), options)
  }

  it('drops in train mode only', async () => {
    const repaired = await traced()
    expect(repaired.repairs).toEqual([{ scope: '', operator, was: true }])
    expectClose((await repaired.eval().forward(input())) as Tensor, [...values], 1e-6)
    const drawn = new Set<string>()
    for (let k = 0; k < 16; k++) drawn.add(numbers((await repaired.train().forward(input())) as Tensor).join())
    expect(drawn.size).toBeGreaterThan(1)
  })

  it('is left alone when told so, and repaired once', async () => {
    expect((await traced({ repair: false })).repairs).toEqual([])
    expect((await load(await (await traced()).toBuffer())).repairs).toEqual([])
  })
})

it('noise that is no stochastic depth is left alone', async () => {
  for (const body of [
    'return x * torch.div_(torch.bernoulli_(torch.empty([x.size(0), 3, 1]), 0.5), 0.5)',
    'return x * torch.div_(torch.bernoulli_(torch.empty([x.size(0), 1, 1]), 0.5), 0.25)',
    'return x * torch.rand([x.size(0), 1, 1])',
  ]) {
    const made = await network(`def forward(self, x: Tensor) -> Tensor:\n  ${body}`, { unused: [1] })
    expect((await load(await made.toBuffer())).repairs).toEqual([])
  }
})
