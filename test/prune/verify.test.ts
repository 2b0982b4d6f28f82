import {
  analyse,
  cutAndVerify,
  groupL2,
  load,
  makePlan,
  type Plan,
  prune,
  type ScriptModule,
  Tensor,
  weightsOf,
} from 'espalier'
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

async function planned(network: ScriptModule, exampleInputs: Tensor[]) {
  const recording = await network.record(exampleInputs)
  const analysis = analyse(recording.record)
  const scores = await groupL2()({ groups: analysis, weights: weightsOf(network) })
  return { recording, analysis, plan: makePlan(analysis, scores, { ratio: 0.5 }) }
}

describe.each(MODELS)('%s', (file, shapes) => {
  it.each(['local', 'global'] as const)('equals the masked original when half of its units go, %s', async (scope) => {
    const network = await load(model(file))
    const { small, plan, verification } = await prune(network, { exampleInputs: inputs(shapes), ratio: 0.5, scope })
    expect(verification.passes.map((p) => `${p.weights} ${p.inputs} ${p.dtype}`)).toEqual([
      'own example float64',
      'own doubled float64',
      'refilled example float64',
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

describe('a cut that is wrong', () => {
  /** The columns of a consumer no longer match the rows of its producer. */
  function shifted(plan: Plan, name: string): Plan {
    const kept = plan.keep[name]?.[1] as number[]
    const all = new Set(kept)
    const other = Array.from({ length: 2 * kept.length }, (_, i) => i).filter((i) => !all.has(i))
    return { ...plan, keep: { ...plan.keep, [name]: { ...plan.keep[name], 1: other.slice(0, kept.length) } } }
  }

  it('is not given out: the error names the group, and the model stays as it was', async () => {
    const network = (await load(model('toy_resnet.trace_train.pt'))).eval()
    const [x] = inputs([[2, 3, 12, 12]])
    const before = numbers((await network.forward(x!)) as Tensor)
    const { recording, analysis, plan } = await planned(network, [x!])
    const wrong = shifted(plan, 'b1.conv2.weight')
    const error = await failure(() => cutAndVerify(network, recording, analysis, wrong, [x!]))
    expect(error.code).toBe('ERR_VERIFICATION')
    expect(error.message).toMatch(/relative error/)
    expect(numbers((await network.forward(x!)) as Tensor)).toEqual(before)
  })
})

it('names example inputs that are missing', async () => {
  const tied = await load(model('tied.script.pt'))
  const error = await failure(() => prune(tied, {} as never))
  expect(error.code).toBe('ERR_INVALID_ARGUMENT')
  expect(error.message).toContain("prune: 'exampleInputs' is missing: it must be an array with a value for each input")
})

describe('a model whose outputs differ from run to run', () => {
  it('is refused, and told so', async () => {
    const random = await network(
      `def forward(self, x: Tensor) -> Tensor:
  y = torch.relu(torch.linear(x, self.a))
  return torch.linear(y * torch.rand([x.size(0), 1]), self.b)`,
      { a: [6, 4], b: [3, 6] },
    )
    const x = Tensor.from(Float32Array.of(1, 2, 3, 4), [1, 4])
    const error = await failure(() => prune(random, { exampleInputs: [x], ratio: 0.5 }))
    expect(error.code).toBe('ERR_VERIFICATION')
    expect(error.message).toContain('differ from run to run')
  })
})

describe('a model that cannot be pruned', () => {
  it('is refused with what froze it', async () => {
    const bound = await load(model('raises.script.pt'))
    const x = Tensor.from(Float32Array.of(1, 2), [2])
    const error = await failure(() => prune(bound, { exampleInputs: [x], ratio: 0.5 }))
    expect(error.code).toBe('ERR_NOTHING_PRUNABLE')
    expect(error.detail).toContain('model input')
  })
})
