import {
  type Dataset,
  define,
  evaluate,
  fading,
  greg1,
  growing,
  inMemory,
  load,
  makeManifest,
  Run,
  type RunEvent,
  replay,
  type ScriptModule,
  type SparsifyOptions,
  sgd,
  sparsify,
  Tensor,
} from 'espalier'
import { beforeAll, describe, expect, it } from 'vitest'
import { dataFile, digits } from '../../examples/digits.js'
import { failure } from '../torch/support.js'

const { train, validation } = digits()
let model: ScriptModule
let x: Tensor

beforeAll(async () => {
  model = await load(dataFile('resnet8.script.pt'))
  x = Tensor.zeros([1, 1, 8, 8])
})

const options = (over: Partial<SparsifyOptions> = {}): SparsifyOptions => ({
  inputs: [x],
  data: { train, validation },
  loss: 'cross-entropy',
  budget: { macs: 0.5 },
  regularizer: greg1({ ceiling: 1, updateEvery: 5 }),
  sparse: { epochs: 1, optimizer: sgd({ lr: 0.01, momentum: 0.9 }) },
  finetune: false,
  seed: 1,
  ...over,
})

/** The first examples, as many; without their labels if asked for. */
function inMemoryOf(all: Dataset, size: number, labelled = true): Dataset {
  return {
    size,
    batch: async (indices) => {
      const { inputs, targets } = await all.batch(indices)
      return labelled ? { inputs, targets } : { inputs }
    },
  }
}

const shapesOf = (module: ScriptModule) => [...module.parameters().values()].map(({ shape }) => shape)

describe('what may be left out', () => {
  const few = { train: inMemoryOf(train, 96), validation }

  it('is everything but the data and the budget: what was chosen is told', async () => {
    const events: RunEvent[] = []
    const result = await sparsify(model, {
      ...{ inputs: [x], data: few, budget: { macs: 0.5 }, sparse: { epochs: 45 }, seed: 1 },
      onEvent: (event) => events.push(event),
    })
    const { settings, small, plan, evaluations } = result
    expect(settings).toEqual({
      loss: 'cross-entropy',
      regularizer: expect.objectContaining({ name: 'fading' }),
      sparse: expect.objectContaining({
        ...{ epochs: 45, batchSize: 64 },
        optimizer: expect.objectContaining({ name: 'adamw', lr: expect.any(Number) }),
        schedule: { name: 'cosine', hold: 0.6, floor: 0.05 },
      }),
      finetune: expect.objectContaining({
        ...{ epochs: 30, batchSize: 64 },
        schedule: { name: 'cosine', floor: 0, hold: 0, warmup: 0.1 },
      }),
    })
    expect(events).toContainEqual({ kind: 'settings', settings })
    expect(plan.macs[1]).toBeLessThanOrEqual(0.5 * plan.macs[0])
    expect(evaluations.cut!.accuracy).toBe(evaluations.regularized!.accuracy)
    expect(result.held).toEqual([])
    small.dispose()
  })

  it('at least 500 steps are made, and 3 epochs', async () => {
    const run = new Run(model, { inputs: [x], data: few, budget: { macs: 0.5 }, finetune: false })
    for await (const event of run) {
      if (event.kind !== 'settings') continue
      expect(event.settings.sparse).toMatchObject({ epochs: 250 })
      break
    }
    run.model!.dispose()
  })

  it('a learning rate is tried on the cut as it will be made, without the methods that go', async () => {
    const SOURCE = `
def forward(self, x: Tensor) -> Tensor:
  return torch.linear(torch.relu(torch.linear(x, self.a)), self.b)
def wide(self, x: Tensor) -> Tensor:
  return torch.linear(x, self.a).view(-1, 4, 4).sum(1)`
    const tensor = (shape: number[]) => {
      const count = shape.reduce((a, b) => a * b, 1)
      const values = Float32Array.from({ length: count }, (_, k) => Math.sin(3 * k + count))
      return Tensor.from(values, shape, { requiresGrad: true })
    }
    const model = await define(SOURCE, { parameters: { a: tensor([16, 6]), b: tensor([3, 16]) } })
    const data = {
      train: inMemory(
        { data: Float32Array.from({ length: 192 }, (_, k) => Math.cos(k)), shape: [32, 6] },
        { data: BigInt64Array.from({ length: 32 }, (_, k) => BigInt(k % 3)), shape: [32] },
      ),
    }
    const few = { inputs: [Tensor.zeros([1, 6])], data, budget: { macs: 0.5 }, sparse: { epochs: 120 } }
    const { code } = await failure(() => sparsify(model, few))
    expect(code).toBe('ERR_UNSUPPORTED')
    const { small, interface: report } = await sparsify(model, { ...few, dropMethods: ['wide'] })
    expect(report.methods.dropped).toEqual(['wide'])
    small.dispose()
  })

  it('labels, with a teacher', async () => {
    const unlabelled = inMemoryOf(train, 96, false)
    const { small, settings, history, evaluations } = await sparsify(model, {
      ...{ inputs: [x], data: { train: unlabelled, validation }, teacher: true, budget: { macs: 0.6 } },
      sparse: { epochs: 60, optimizer: sgd({ lr: 0.02, momentum: 0.9 }) },
      ...{ finetune: { epochs: 5 }, seed: 1 },
    })
    expect(settings.loss).toBe('teacher')
    expect(evaluations.before).toMatchObject({ agreement: 1 })
    expect(evaluations.finetuned!.agreement).toBeGreaterThan(0.9)
    expect(history.at(-1)!.loss).toBeLessThan(0.2)
    small.dispose()
  })

  it('without labels and without a teacher it is refused before any work', async () => {
    const data = { train: inMemoryOf(train, 96, false) }
    const { code, message } = await failure(() => sparsify(model, { inputs: [x], data, budget: { macs: 0.5 } }))
    expect([code, message]).toEqual([
      'ERR_INVALID_ARGUMENT',
      expect.stringMatching(/no targets, and there is no teacher/),
    ])
  })
})

describe('a cut that would lose too much', () => {
  const weak = greg1({ ceiling: 1e-3, updateEvery: 5 })

  it('is withheld: the model as trained is given back', async () => {
    const kinds: string[] = []
    const { small, withheld, held, plan, evaluations } = await sparsify(
      model,
      options({ regularizer: weak, maxDrop: 0.005, finetune: {}, onEvent: ({ kind }) => kinds.push(kind) }),
    )
    expect(withheld!.drop).toBeGreaterThan(0.005)
    expect(withheld!.drop).toBeCloseTo(evaluations.regularized!.accuracy! - evaluations.cut!.accuracy!, 9)
    expect(withheld!.plan.macs[1]).toBeLessThan(0.5 * withheld!.plan.macs[0])
    expect(held.length).toBeGreaterThan(0)
    expect([plan.removed, plan.macs[1]]).toEqual([[], plan.macs[0]])
    expect(kinds.at(-1)).toBe('withheld')
    expect(evaluations.finetuned).toBeUndefined()
    const { accuracy } = await evaluate(small, validation, { loss: 'cross-entropy' })
    expect(accuracy).toBe(evaluations.regularized!.accuracy)
    expect(shapesOf(small)).toEqual(shapesOf(model))
    small.dispose()
  })

  it('is cut where that much may be lost', async () => {
    const { small, withheld } = await sparsify(model, options({ regularizer: weak, maxDrop: 1 }))
    expect(withheld).toBeUndefined()
    small.dispose()
  })

  it('needs validation data', () => {
    expect(() => new Run(model, options({ maxDrop: 0.1, data: { train } }))).toThrow(/'maxDrop' needs validation data/)
  })

  it('is refused before any training where the validation data says nothing', async () => {
    const { inputs } = await validation.batch(Int32Array.from([0, 1]))
    const none = inMemory(inputs[0]!, { data: BigInt64Array.from([-100n, -100n]), shape: [2] })
    const kinds: string[] = []
    const { code, message } = await failure(() =>
      sparsify(
        model,
        options({ maxDrop: 0.1, data: { train, validation: none }, onEvent: ({ kind }) => kinds.push(kind) }),
      ),
    )
    expect([code, message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringMatching(/nothing to go by.*loss is NaN/)])
    expect(kinds).not.toContain('epoch')
  })

  it('the phase goes on while units have not given way, as far as it may', async () => {
    const epochsOf = async (over: Partial<SparsifyOptions>) => {
      const { small, history, held } = await sparsify(model, options(over))
      small.dispose()
      return [history.length, held.length > 0]
    }
    expect(await epochsOf({ regularizer: weak, extend: 2 })).toEqual([3, true])
    expect(await epochsOf({ regularizer: weak })).toEqual([1, true])
    const strong = { regularizer: fading({ fraction: 0.9 }), sparse: { ...options().sparse!, epochs: 4 } }
    expect(await epochsOf({ ...strong, extend: 2 })).toEqual([4, false])
  })
})

describe('rounds', () => {
  const inRounds = (over: Partial<SparsifyOptions>) =>
    options({ rounds: 2, budget: { macs: 0.25 }, sparse: { ...options().sparse!, epochs: 8 }, ...over })

  it('cut a part each; the cut is one of the model as it was given', async () => {
    const seen: RunEvent[] = []
    const result = await sparsify(model, inRounds({ regularizer: fading(), onEvent: (event) => seen.push(event) }))
    const [round, ...others] = seen.flatMap((event) => (event.kind === 'round' ? [event] : []))
    expect([round!.round, others]).toEqual([1, []])
    const { plan, small, history, evaluations } = result
    expect(history.map(({ epoch, epochs }) => [epoch, epochs])).toEqual(
      [1, 2, 3, 4, 1, 2, 3, 4].map((epoch) => [epoch, 4]),
    )
    expect(round!.plan.macs[1] / plan.macs[0]).toBeCloseTo(0.5, 1)
    expect(plan.macs[1] / plan.macs[0]).toBeLessThanOrEqual(0.25)
    for (const { group, units } of round!.plan.removed) {
      const later = plan.removed.find((each) => each.group === group)!.units
      expect(later).toEqual(expect.arrayContaining([...units]))
    }
    expect(Math.abs(evaluations.regularized!.loss - evaluations.cut!.loss)).toBeLessThan(1e-3)
    const again = await replay(model, makeManifest(result), { inputs: [x] })
    expect(shapesOf(again.small)).toEqual(shapesOf(small))
    for (const each of [small, again.small]) each.dispose()
  })

  it('penalties of units that stay go on', async () => {
    const reached = async (rounds: number) => {
      const regularizer = growing({ reg: 0, deltaReg: 1e-3, updateEvery: 5 })
      const { small, regularizer: state } = await sparsify(model, inRounds({ rounds, regularizer }))
      small.dispose()
      return Math.max(...state.reg.flat())
    }
    const [one, two] = [await reached(1), await reached(2)]
    expect(one).toBeCloseTo(Math.floor((8 * 17) / 5) * 1e-3, 3)
    // A unit of the second round has what the first gave it, as far as it was not the weakest then.
    expect(two).toBeGreaterThan(0.7 * one)
  })

  it('whose last cut is impossible are refused before any training', async () => {
    const kinds: string[] = []
    const { code } = await failure(() =>
      sparsify(model, inRounds({ budget: { macs: 0.01 }, onEvent: ({ kind }) => kinds.push(kind) })),
    )
    expect(code).toBe('ERR_BUDGET')
    expect(kinds).not.toContain('batch')
  })
})
