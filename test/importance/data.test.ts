import {
  define,
  growing,
  type Importance,
  inMemory,
  type ModuleInput,
  Prunable,
  prune,
  type Scores,
  type ScriptModule,
  type SparsifyOptions,
  sgd,
  sparsify,
  Tensor,
} from 'espalier'
import { type ImportanceContext, importanceContext } from 'espalier/analysis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** The hidden units give 2x, x and max(0, -x): of positive numbers 2x, x and 0. */
const SOURCE = `
def forward(self, x: Tensor) -> Tensor:
  return torch.linear(torch.relu(torch.linear(x, self.a)), self.b)`

let model: ScriptModule
const inputs = [Tensor.zeros([2, 1])]

beforeAll(async () => {
  model = await define(SOURCE, {
    parameters: {
      a: Tensor.from([2, 1, -1], [3, 1], { requiresGrad: true }),
      b: Tensor.from([1, 2, 3, 4, 5, 6], [2, 3], { requiresGrad: true }),
    },
  })
})
afterAll(() => model.dispose())

/** Mean of what the second layer is given, by unit. */
const activity: Importance = async ({ groups: { record }, observe }): Promise<Scores> => {
  const op = record.ops.findLast(({ name }) => name === 'aten::linear')
  const [seen] = await observe([{ node: op!.node, input: 0, dim: 1 }])
  return new Map([[0, seen!.mean]])
}

async function* batchesOf(...batches: number[][]): AsyncGenerator<ModuleInput[]> {
  for (const batch of batches) yield [Tensor.from(batch, [batch.length, 1])]
}

describe('a criterion that looks at data', () => {
  it('is told the mean over the batches of a score', async () => {
    using prunable = await Prunable.of(model, { inputs })
    const scores = await prunable.score(activity, { data: batchesOf([1, 3], [4, 6]) })
    expect(Array.from(scores.get(0)!)).toEqual([7, 3.5, 0])
  })

  it('is told the largest spread, between batches too', async () => {
    using prunable = await Prunable.of(model, { inputs })
    const spread: Importance = async ({ groups: { record }, observe }) => {
      const [seen] = await observe([{ node: record.ops.at(-1)!.node, input: 0, dim: 1 }])
      return new Map([[0, seen!.spread]])
    }
    const spreads = async (...batches: number[][]) =>
      Array.from((await prunable.score(spread, { data: batchesOf(...batches) })).get(0)!)
    expect(await spreads([1, 3], [4, 5])).toEqual([5, 2.5, 0])
    // Constant in each batch, and another constant in the second one.
    expect(await spreads([1, 1], [4, 4])).toEqual([6, 3, 0])
  })

  it('decides in prune()', async () => {
    const least = async (...batch: number[]) => {
      const options = { inputs, importance: activity, data: batchesOf(batch), ratio: 0.34 }
      const { small, plan } = await prune(model, options)
      small.dispose()
      return plan.removed
    }
    expect(await least(1, 2)).toEqual([{ group: 0, units: [2] }])
    expect(await least(-1, -2)).not.toEqual([{ group: 0, units: [2] }])
  })

  it('is refused without data, and with data that have no batch or were used up', async () => {
    using prunable = await Prunable.of(model, { inputs })
    const refused = (message: RegExp) => ({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) })
    await expect(prunable.score(activity)).rejects.toMatchObject({
      ...refused(/looks at data, and there are none/),
      hint: expect.stringContaining('data'),
    })
    await expect(prunable.score(activity, { data: batchesOf() })).rejects.toMatchObject(refused(/have no batch/))
    const data = batchesOf([1])
    await prunable.score(activity, { data })
    await expect(prunable.score(activity, { data })).rejects.toMatchObject(refused(/were used up before/))
  })

  it('is given the module, the weights of the moment and the signal', async () => {
    using prunable = await Prunable.of(model, { inputs })
    const { signal } = new AbortController()
    let seen: ImportanceContext | undefined
    const look: Importance = async (context) => {
      seen = context
      return new Map([[0, [1, 2, 3]]])
    }
    await prunable.score(look, { signal })
    expect(seen!.model).toBe(prunable.model)
    expect(seen!.groups).toBe(prunable.analysis)
    expect(seen!.signal).toBe(signal)
    expect(Array.from(seen!.weights('a').data)).toEqual([2, 1, -1])
    const alone = importanceContext({
      model: { parameters: () => model.parameters() },
      groups: prunable.analysis,
    })
    expect(alone.model).toBeUndefined()
  })

  describe('while a model is trained', () => {
    const examples = { data: Float32Array.of(1, 2, 3, 4), shape: [4, 1] }
    const train = inMemory(examples, { data: new Float32Array(8), shape: [4, 2] })
    const options = (over: Partial<SparsifyOptions>): SparsifyOptions => ({
      ...{ inputs, data: { train }, loss: 'mse', budget: { params: 0.7 } },
      regularizer: growing({ updateEvery: 1 }),
      // A rate at which nothing moves.
      sparse: { epochs: 1, optimizer: sgd({ lr: 1e-12 }) },
      ...over,
    })

    it('is told of the training data by sparsify()', async () => {
      const seen: number[][] = []
      const importance: Importance = async (context) => {
        const scores = await activity(context)
        seen.push(Array.from(scores.get(0)!))
        return scores
      }
      const { small, plan } = await sparsify(model, options({ importance }))
      small.dispose()
      expect(seen.length).toBeGreaterThan(0)
      for (const scores of seen) expect(scores).toEqual([5, 2.5, 0].map((wanted) => expect.closeTo(wanted, 5)))
      expect(plan.removed).toEqual([{ group: 0, units: [2] }])
    })

    it('is told of them by a regularizer, whose penalties grow by what it says', async () => {
      const regularizer = growing({ reg: 0, deltaReg: 0.5, updateEvery: 1, importance: activity })
      const result = await sparsify(model, options({ regularizer }))
      result.small.dispose()
      // s = (5 - I) / 5 of 5, 2.5 and 0
      const [reg] = result.regularizer.reg
      expect(reg).toEqual([0, 0.25, 0.5].map((wanted) => expect.closeTo(wanted, 5)))
    })
  })
})
