import { type ChannelGroup, groupL2, load, manualSeed, type Plan, prune, type ScriptModule, Tensor } from 'espalier'
import { analyse, cutAndVerify, makePlan, weightsOf } from 'espalier/analysis'
import { call } from 'espalier/torch'
import { describe, expect, it } from 'vitest'
import { network } from '../support/networks.js'
import { failure, model, numbers } from '../torch/support.js'

const MODELS: [string, number[][]][] = [
  ['toy_resnet.trace_train.pt', [[2, 3, 12, 12]]],
  ['toy_concat.script.pt', [[2, 3, 8, 8]]],
  [
    'odd_siamese.trace.pt',
    [
      [2, 12],
      [2, 12],
    ],
  ],
  ['odd_shuffle_groups.script.pt', [[2, 3, 8, 8]]],
  ['odd_gate_param.trace.pt', [[2, 3, 8, 8]]],
]
const inputs = (shapes: number[][]) =>
  shapes.map((shape) => {
    const n = shape.reduce((a, b) => a * b, 1)
    return Tensor.from(
      Float32Array.from({ length: n }, (_, i) => Math.sin(i)),
      shape,
    )
  })

async function planned(network: ScriptModule, inputs: Tensor[]) {
  const recording = await network.record(inputs)
  const analysis = analyse(recording.record)
  const scores = await groupL2()({ groups: analysis, weights: weightsOf(network) })
  return { recording, analysis, plan: makePlan(analysis, scores, { ratio: 0.5 }) }
}

describe.each(MODELS)('%s', (file, shapes) => {
  it.each(['local', 'global'] as const)('equals the masked original when half of its units go, %s', async (ranking) => {
    const network = await load(model(file))
    const { small, plan, verification } = await prune(network, { inputs: inputs(shapes), ratio: 0.5, ranking })
    expect(verification.passes.map((p) => `${p.weights} ${p.inputs} ${p.dtype}`)).toEqual([
      'own example float64',
      'refilled example float64',
      'refilled doubled float64',
      ...(shapes.some((shape) => shape.length === 4) ? ['refilled resized float64'] : []),
    ])
    for (const { error, sensitivity } of verification.passes) {
      expect(error).toBeLessThan(1e-12)
      expect(sensitivity).toBeGreaterThan(1e-3)
    }
    expect(plan.params[1]).toBeLessThan(0.7 * plan.params[0])
    const counted = new Set(small.parameters().values())
    expect([...counted].reduce((n, p) => n + p.numel, 0)).toBe(plan.params[1])
  })
})

it('a cut and its proof are told as they go on, up to the end', async () => {
  const network = await load(model('toy_resnet.trace_train.pt'))
  const parts: number[] = []
  const { small } = await prune(network, {
    ...{ inputs: inputs([[2, 3, 12, 12]]), ratio: 0.5, onProgress: (part: number) => parts.push(part) },
  })
  small.dispose()
  // The cut, and three runs of each of four comparisons.
  expect(parts.length).toBeGreaterThanOrEqual(12)
  expect(parts).toEqual([...new Set(parts)].sort((a, b) => a - b))
  expect([parts[0]! > 0, parts.at(-1)]).toEqual([true, 1])
})

/** The columns of a consumer no longer match the rows of its producer. */
function shifted(plan: Plan, name: string): Plan {
  const kept = plan.keep[name]?.[1] as number[]
  const all = new Set(kept)
  const other = Array.from({ length: 2 * kept.length }, (_, i) => i).filter((i) => !all.has(i))
  return { ...plan, keep: { ...plan.keep, [name]: { ...plan.keep[name], 1: other.slice(0, kept.length) } } }
}

describe('a cut that is wrong', () => {
  it('is not given out: the error names the group, and the model stays as it was', async () => {
    const network = (await load(model('toy_resnet.trace_train.pt'))).eval()
    const [x] = inputs([[2, 3, 12, 12]])
    const before = numbers((await network.forward(x!)) as Tensor)
    const { recording, analysis, plan } = await planned(network, [x!])
    const wrong = shifted(plan, 'b1.conv2.weight')
    const error = await failure(() => cutAndVerify(network, recording, analysis, wrong, [x!]))
    expect(error.code).toBe('ERR_VERIFICATION')
    expect(error.message).toMatch(/relative error/)
    expect(error.detail).toMatch(/the first operator whose output differs is aten::_convolution in 'b1.conv2'/)
    expect(numbers((await network.forward(x!)) as Tensor)).toEqual(before)
  })
})

it('names example inputs that are missing', async () => {
  const tied = await load(model('tied.script.pt'))
  const error = await failure(() => prune(tied, {} as never))
  expect(error.code).toBe('ERR_INVALID_ARGUMENT')
  expect(error.message).toContain("prune: 'inputs' is missing: it must be an array with a value for each input")
})

/** One input, two layers between which units go; the rest is said by what stands between and after them. */
const twoLayers = (between: string, after = 'y') => `def forward(self, x: Tensor) -> Tensor:
  y = torch.relu(torch.linear(x, self.a, self.c))
  ${between}
  y = torch.linear(y, self.b)
  return ${after}`
const LAYERS = { a: [6, 4], c: [6], b: [3, 6] }
const row = () => Tensor.from(Float32Array.of(1, -2, 3, -4), [1, 4])
const passesOf = async (network: ScriptModule, example: Tensor) => {
  const { verification, small } = await prune(network, { inputs: [example], ratio: 0.5 })
  small.dispose()
  return verification.passes
}

describe('random numbers', () => {
  it('are the same before every pass', async () => {
    const random = await network(twoLayers('y = y * torch.rand([x.size(0), 1])'), LAYERS)
    for (const { error } of await passesOf(random, row())) expect(error).toBeLessThan(1e-12)
  })

  it('of a width stay as many, and the operator says so', async () => {
    const random = await network(twoLayers('y = y * torch.rand_like(y)'), LAYERS)
    const error = await failure(() => prune(random, { inputs: [row()], ratio: 0.5 }))
    expect(error.code).toBe('ERR_NOTHING_PRUNABLE')
    expect(error.detail).toContain('random numbers by aten::rand_like')
  })

  it('of the user are left alone', async () => {
    const random = await network(twoLayers('y = y * torch.rand([x.size(0), 1])'), LAYERS)
    const draw = () => numbers(call('aten::rand', [[4]]) as Tensor)
    manualSeed(5)
    const wanted = draw()
    manualSeed(5)
    await passesOf(random, row())
    expect(draw()).toEqual(wanted)
  })
})

describe('a proof', () => {
  it('is not prevented by a head of one output and a sigmoid', async () => {
    const head = await network(twoLayers('pass', 'torch.sigmoid(y)'), { a: [512, 4], c: [512], b: [1, 512] })
    for (const { weights, sensitivity } of await passesOf(head, row())) {
      if (weights === 'refilled') expect(sensitivity).toBeGreaterThan(1e-3)
    }
  })

  it('is none where nothing is noticed of any unit', async () => {
    const saturated = await network(twoLayers('pass', 'torch.sigmoid(y * 1e-30 + 50)'), LAYERS)
    const error = await failure(() => passesOf(saturated, row()))
    expect(error.code).toBe('ERR_VERIFICATION')
    expect(error.message).toContain("can't be proved")
  })

  it('needs nothing of units that no output depends on', async () => {
    const dead = await network(twoLayers('pass', 'y * 0.0 + torch.linear(x, self.d)'), { ...LAYERS, d: [3, 4] })
    for (const { error, sensitivity } of await passesOf(dead, row())) expect([error, sensitivity]).toEqual([0, 0])
  })

  it('uses other inputs where the example is all zeros', async () => {
    const plain = await network(twoLayers('pass').replace(', self.c', ''), { a: [6, 4], b: [3, 6] })
    const passes = await passesOf(plain, Tensor.zeros([1, 4]))
    expect(passes.find(({ weights }) => weights === 'refilled')!.sensitivity).toBeGreaterThan(1e-3)
  })
})

describe('another length', () => {
  const source = `def forward(self, x: Tensor) -> Tensor:
  y = torch.relu(torch.linear(x + self.table[:x.size(1)], self.a))
  return torch.linear(y, self.b)`
  const tokens = () =>
    Tensor.from(
      Float32Array.from({ length: 28 }, (_, i) => Math.sin(i)),
      [1, 7, 4],
    )

  it('is found and verified', async () => {
    const reader = await network(source, { table: [32, 4], a: [6, 4], b: [3, 6] })
    const ratio = ({ members }: ChannelGroup) => (members.some(({ name }) => name === 'table') ? 0 : 0.5)
    const { passes } = (await prune(reader, { inputs: [tokens()], ratio })).verification
    expect(passes.at(-1)).toMatchObject({ inputs: 'resized', shapes: [[1, 14, 4]] })
  })

  it('tells that a table was cut where the example does not read it', async () => {
    const reader = await network(source, { table: [32, 4], a: [6, 4], b: [3, 6] })
    const { recording, analysis, plan } = await planned(reader.eval(), [tokens()])
    const rows = Array.from({ length: 32 }, (_, i) => i).filter((i) => i < 7 || i > 12)
    const wrong = { ...plan, keep: { ...plan.keep, table: { ...plan.keep.table, 0: rows } } }
    const error = await failure(() => cutAndVerify(reader, recording, analysis, wrong, [tokens()]))
    expect(error.code).toBe('ERR_VERIFICATION')
    expect(error.message).toContain('resized inputs of shapes [1, 14, 4]')
  })

  it('changes inputs of one length together', async () => {
    const masked = await network(
      `def forward(self, x: Tensor, mask: Tensor) -> Tensor:
  y = torch.relu(torch.linear(x, self.a)) * mask.unsqueeze(-1)
  return torch.linear(y, self.b)`,
      { a: [6, 4], b: [3, 6] },
    )
    const inputs = [tokens(), Tensor.full([1, 7], 1)]
    const { verification } = await prune(masked, { inputs, ratio: 0.5 })
    expect(verification.passes.at(-1)).toMatchObject({
      shapes: [
        [1, 14, 4],
        [1, 14],
      ],
    })
  })
})

describe('half precision', () => {
  const half = async () => {
    const source = twoLayers('pass', 'y.float()').replace('linear(x,', 'linear(x.to(15),')
    return (await network(source, LAYERS)).to('bfloat16')
  }

  it('is compared as it is, where casts allow nothing else', async () => {
    const passes = await passesOf(await half(), row())
    expect(new Set(passes.map(({ dtype }) => dtype))).toEqual(new Set(['bfloat16']))
    expect(passes.find(({ weights }) => weights === 'refilled')!.sensitivity).toBeGreaterThan(0.25)
  })

  it('does not hide a wrong cut', async () => {
    const model = (await half()).eval()
    const { recording, analysis, plan } = await planned(model, [row()])
    const error = await failure(() => cutAndVerify(model, recording, analysis, shifted(plan, 'b'), [row()]))
    expect(error.message).toMatch(/relative error .* in bfloat16/)
  })
})

describe('a model with a state', () => {
  it('is verified from the same state each time, and both models stay in it', async () => {
    const source = `def forward(self, x: Tensor) -> Tensor:
  y = torch.relu(torch.linear(x, self.a)) + self.seen
  self.seen.add_(1.0)
  return torch.linear(y, self.b)`
    const counting = await network(source, { a: [6, 4], b: [3, 6] }, { seen: Tensor.full([1], 3) })
    const { small, verification } = await prune(counting, { inputs: [row()], ratio: 0.5 })
    for (const { error } of verification.passes) expect(error).toBeLessThan(1e-12)
    expect(numbers(small.buffers().get('seen')!)).toEqual([3])
    expect(numbers(counting.buffers().get('seen')!)).toEqual([3])
  })
})

describe('a model that cannot be pruned', () => {
  it('is refused with what froze it', async () => {
    const bound = await load(model('raises.script.pt'))
    const x = Tensor.from(Float32Array.of(1, 2), [2])
    const error = await failure(() => prune(bound, { inputs: [x], ratio: 0.5 }))
    expect(error.code).toBe('ERR_NOTHING_PRUNABLE')
    expect(error.detail).toContain('model input')
  })
})
