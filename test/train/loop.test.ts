import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataFile, digits } from '../../examples/digits.js'
import { load, type ScriptModule, type Tensor } from '../../lib/torch/index.js'
import {
  type Dataset,
  type EpochEvent,
  evaluate,
  losses,
  lr,
  randomShift,
  sgd,
  type TrainEvent,
  type TrainOptions,
  train,
} from '../../lib/train/index.js'

let source: ScriptModule
const data = digits()

beforeAll(async () => {
  source = await load(dataFile('resnet8.script.pt'))
})
afterAll(() => source.dispose())

/** The first examples of a dataset. */
const first = (dataset: Dataset, size: number): Dataset => ({ size, batch: (indices) => dataset.batch(indices) })

const options = (over: Partial<TrainOptions> = {}): TrainOptions => ({
  data: { train: first(data.train, 200) },
  loss: 'cross-entropy',
  optimizer: sgd({ lr: 0.01, momentum: 0.9 }),
  epochs: 1,
  seed: 3,
  ...over,
})

async function collect(records: AsyncIterable<TrainEvent>): Promise<TrainEvent[]> {
  const all: TrainEvent[] = []
  for await (const record of records) all.push(record)
  return all
}

const weightsOf = (model: ScriptModule) =>
  [...model.parameters(), ...model.buffers()].map(([name, tensor]) => [
    name,
    Array.from(tensor.data() as Float32Array, Number),
  ])

describe('evaluate', () => {
  it('measures the trained model: 713 of 719 right, and keeps its mode', async () => {
    const model = (await source.clone()).train()
    const { accuracy, loss } = await evaluate(model, data.validation, { loss: 'cross-entropy' })
    expect(accuracy).toBe(713 / 719)
    expect(loss).toBeGreaterThan(0)
    expect(loss).toBeLessThan(0.1)
    expect(model.training).toBe(true)
    model.dispose()
  })

  it('does not depend on the batch size, and has no accuracy where there are no classes', async () => {
    const small = await evaluate(source, data.validation, { loss: 'cross-entropy', batchSize: 50 })
    const large = await evaluate(source, data.validation, { loss: 'cross-entropy', batchSize: 719 })
    expect(small.accuracy).toBe(large.accuracy)
    expect(Math.abs(small.loss - large.loss)).toBeLessThan(1e-6)
    const values: Dataset = {
      size: 8,
      batch: async (indices) => ({
        ...(await data.validation.batch(indices)),
        targets: { data: new Float32Array(indices.length * 10), shape: [indices.length, 10] },
      }),
    }
    expect(await evaluate(source, values, { loss: 'mse' })).toEqual({ loss: expect.any(Number) })
  })

  it('refuses a dataset without examples, of which there is no mean; so does a training that would end with it', async () => {
    const none = first(data.validation, 0)
    const refused = { code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('0 examples') }
    await expect(evaluate(source, none, { loss: 'cross-entropy' })).rejects.toMatchObject(refused)
    const steps = train(source, options({ data: { train: first(data.train, 200), validation: none } }))
    await expect(steps.next()).rejects.toMatchObject(refused)
  })
})

describe('train', () => {
  it('tells of every step and every epoch', async () => {
    const model = (await source.clone()).eval()
    const schedule = lr.step({ every: 1, gamma: 0.5 })
    const validation = first(data.validation, 100)
    const records = await collect(
      train(model, options({ epochs: 2, schedule, data: { train: first(data.train, 200), validation } })),
    )
    expect(records.map(({ kind }) => kind).join(' ')).toBe(
      'batch batch batch batch epoch batch batch batch batch epoch',
    )
    const epochs = records.filter((record): record is EpochEvent => record.kind === 'epoch')
    expect(epochs.map(({ epoch, iteration, iterations, lr }) => [epoch, iteration, iterations, lr])).toEqual([
      [1, 4, 8, 0.01],
      [2, 8, 8, 0.005],
    ])
    expect(epochs[1]!.validation!.accuracy).toBeGreaterThan(0.9)
    expect(model.training).toBe(false)
    model.dispose()
  })

  it('is the same bit by bit for the same seed, and another for another', async () => {
    const results: string[] = []
    for (const seed of [1, 1, 2]) {
      const model = await source.clone()
      await collect(train(model, options({ seed, augment: randomShift({ fill: -1 }) })))
      results.push(JSON.stringify(weightsOf(model)))
      model.dispose()
    }
    expect(results[0] === results[1]).toBe(true)
    expect(results[0] === results[2]).toBe(false)
  })

  it('learns: with every class renamed the loss falls', async () => {
    const renamed: Dataset = {
      size: 200,
      batch: async (indices) => {
        const batch = await data.train.batch(indices)
        const classes = (batch.targets!.data as BigInt64Array).map((k) => (k + 1n) % 10n)
        return { ...batch, targets: { ...batch.targets!, data: classes } }
      },
    }
    const model = await source.clone()
    const records = await collect(train(model, options({ epochs: 6, data: { train: renamed } })))
    const losses = records.filter((record) => record.kind === 'epoch').map(({ loss }) => loss)
    expect(losses[5]!).toBeLessThan(losses[0]! / 2)
    model.dispose()
  })

  it('takes a loss function of one’s own', async () => {
    const model = await source.clone()
    let calls = 0
    const { crossEntropy } = await import('../../lib/torch/index.js')
    const loss: TrainOptions['loss'] = (output, targets) => {
      calls++
      return crossEntropy(output as Tensor, targets)
    }
    const own = await model.clone()
    await collect(train(model, options({ loss })))
    await collect(train(own, options()))
    expect(calls).toBe(4)
    expect(JSON.stringify(weightsOf(model)) === JSON.stringify(weightsOf(own))).toBe(true)
    for (const garbage of [model, own]) garbage.dispose()
  })

  it('says that a model takes no gradients, before it runs', async () => {
    const model = await source.clone()
    for (const parameter of model.parameters().values()) parameter.requiresGrad = false
    await expect(collect(train(model, options()))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: 'no parameter of the model takes gradients: there is nothing to train',
    })
    model.dispose()
  })

  it('stops before a step that a NaN gradient would spoil, naming the parameter and the iteration', async () => {
    const model = await source.clone()
    const broken = { calls: 0, name: [...model.parameters().keys()][0]! }
    const spoiled: TrainOptions['loss'] = async (output, targets) => {
      const { crossEntropy, run } = await import('../../lib/torch/index.js')
      const loss = await crossEntropy(output as Tensor, targets)
      broken.calls++
      if (broken.calls < 3) return loss
      // sqrt(0) has an infinite slope: the loss is finite, its gradient is not
      const [sum] = await run(
        [
          { op: 'aten::sub.Tensor', args: [loss, loss] },
          { op: 'aten::sqrt', args: [{ result: 0 }] },
          { op: 'aten::add.Tensor', args: [loss, { result: 1 }] },
        ],
        { grad: true, returns: [2] },
      )
      return sum as Tensor
    }
    const records: TrainEvent[] = []
    const training = (async () => {
      for await (const record of train(model, options({ loss: spoiled }))) records.push(record)
    })()
    await expect(training).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
      message: expect.stringMatching(/gradient of '.+' .* iteration 3 \(epoch 1\)/),
    })
    expect(records).toHaveLength(2)
    for (const [name, values] of weightsOf(model)) {
      expect((values as number[]).every(Number.isFinite), String(name)).toBe(true)
    }
    for (const parameter of model.parameters().values()) expect(parameter.grad).toBeNull()
    model.dispose()
  })

  it.each<[TrainOptions['loss'], number]>([
    ['cross-entropy', -100],
    [losses.crossEntropy({ ignoreIndex: 3 }), 3],
  ])('says that no target counts where that is why the loss is no number', async (loss, ignored) => {
    const model = await source.clone()
    const unlabelled: Dataset = {
      size: 64,
      batch: async (indices) => ({
        ...(await data.train.batch(indices)),
        targets: { data: new BigInt64Array(indices.length).fill(BigInt(ignored)), shape: [indices.length] },
      }),
    }
    await expect(collect(train(model, options({ data: { train: unlabelled }, loss })))).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
      message: expect.stringContaining('the loss is NaN at iteration 1'),
      hint: `No target of the batch counts: all are ${ignored}, which the loss leaves out.`,
    })
    model.dispose()
  })

  it('refuses weights that the last step made infinite, before they are measured or kept', async () => {
    const model = await source.clone()
    const data = { train: first(digits().train, 64) }
    const events: TrainEvent[] = []
    const training = (async () => {
      const wild = options({ data, batchSize: 64, optimizer: sgd({ lr: 1e39 }) })
      for await (const event of train(model, wild)) events.push(event)
    })()
    await expect(training).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
      message: expect.stringMatching(/the parameter '.+' holds .* after iteration 1 \(epoch 1\)/),
    })
    expect(events.map(({ kind }) => kind)).toEqual(['batch'])
    model.dispose()
  })

  it('names the iteration of a loss that is not finite', async () => {
    const model = await source.clone()
    const bad: Dataset = {
      size: 64,
      batch: async (indices) => {
        const batch = await data.train.batch(indices)
        ;(batch.inputs[0]!.data as Float32Array)[0] = Number.NaN
        return batch
      },
    }
    await expect(collect(train(model, options({ data: { train: bad } })))).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
      message: expect.stringContaining('iteration 1 (epoch 1)'),
    })
    model.dispose()
  })

  it('stops on a signal with the weights of the last complete step', async () => {
    const model = (await source.clone()).eval()
    const same = (await source.clone()).eval()
    const controller = new AbortController()
    const seen: TrainEvent[] = []
    const training = (async () => {
      for await (const record of train(model, options({ signal: controller.signal }))) {
        seen.push(record)
        if (seen.length === 2) controller.abort()
      }
    })()
    await expect(training).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(seen).toHaveLength(2)
    expect(model.training).toBe(false)
    for await (const record of train(same, options())) if (record.kind === 'batch' && record.iteration === 2) break
    expect(JSON.stringify(weightsOf(model)) === JSON.stringify(weightsOf(same))).toBe(true)
    for (const garbage of [model, same]) garbage.dispose()
  })

  it('refuses options out of their ranges', async () => {
    const refused = { code: 'ERR_INVALID_ARGUMENT' }
    await expect(collect(train(source, options({ epochs: 0 })))).rejects.toMatchObject(refused)
    await expect(collect(train(source, options({ batchSize: 300, dropLast: true })))).rejects.toMatchObject(refused)
    await expect(collect(train(source, options({ loss: 'hinge' as never })))).rejects.toMatchObject(refused)
  })
})
