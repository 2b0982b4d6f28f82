import { define, evaluate, inMemory, type ScriptModule, sgd, Tensor, train } from 'espalier'
import { lossFunction } from 'espalier/analysis'
import { call } from 'espalier/torch'
import { describe, expect, it } from 'vitest'

/** Gives its input back, and trains nothing that matters. */
const identity = (): Promise<ScriptModule> =>
  define('def forward(self, x: Tensor) -> Tensor:\n  return x * self.one', {
    parameters: { one: Tensor.from([1], [1], { requiresGrad: true }) },
  })

const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) })

/** Logits of the given shape, all 0 but for 5 at the class of each place. */
function logits(places: readonly number[], classes: readonly number[], count: number, axis: 1 | -1) {
  const data: number[] = []
  const [n = 1, ...rest] = places
  const inner = rest.reduce((a, b) => a * b, 1)
  const at = (example: number, place: number, c: number) => (classes[example * inner + place] === c ? 5 : 0)
  for (let example = 0; example < n; example++) {
    if (axis === 1) for (let c = 0; c < count; c++) for (let p = 0; p < inner; p++) data.push(at(example, p, c))
    else for (let p = 0; p < inner; p++) for (let c = 0; c < count; c++) data.push(at(example, p, c))
  }
  const shape = axis === 1 ? [n, count, ...rest] : [n, ...rest, count]
  return { data: Float32Array.from(data), shape }
}

const labels = (values: readonly number[], shape: readonly number[]) => ({
  data: BigInt64Array.from(values, BigInt),
  shape,
})

/** -log of the softmax of one 5 among zeros. */
const lossOf = (count: number) => Math.log(1 + (count - 1) * Math.exp(-5))

describe('the dimension of the classes', () => {
  const cases: [string, number[], number, 1 | -1][] = [
    ['[n, T, V] with [n, T]', [2, 3], 4, -1],
    ['[n, C, T] with [n, T]', [2, 3], 4, 1],
    ['[n, C, H, W] with [n, H, W]', [2, 2, 3], 4, 1],
    ['[n, H, W, C] with [n, H, W]', [2, 2, 3], 4, -1],
    ['[n, C] with [n]', [4], 3, 1],
  ]
  it.each(cases)('is found by the shapes: %s', async (_, places, count, axis) => {
    const size = places.reduce((a, b) => a * b, 1)
    const classes = Array.from({ length: size }, (_, i) => i % count)
    const data = inMemory(logits(places, classes, count, axis), labels(classes, places))
    const model = await identity()
    const { loss, accuracy } = await evaluate(model, data, { loss: 'cross-entropy' })
    expect(accuracy).toBe(1)
    expect(loss).toBeCloseTo(lossOf(count), 6)
  })

  it('is asked for where both readings fit, and said by classAxis', async () => {
    const classes = [0, 1, 2, 2, 1, 0]
    for (const axis of [1, -1] as const) {
      const data = inMemory(logits([2, 3], classes, 3, axis), labels(classes, [2, 3]))
      const model = await identity()
      await expect(evaluate(model, data, { loss: 'cross-entropy' })).rejects.toEqual(
        invalid(/\[2, 3, 3\] with targets \[2, 3\].*dimension 1 .*\[n, classes, …\].*the last .*\[n, …, classes\]/),
      )
      const { loss, accuracy } = await evaluate(model, data, { loss: 'cross-entropy', classAxis: axis })
      expect([accuracy, loss]).toEqual([1, expect.closeTo(lossOf(3), 6)])
      const records = train(model, {
        ...{ data: { train: data, validation: data }, loss: 'cross-entropy', classAxis: axis, epochs: 1 },
        optimizer: sgd({ lr: 1e-9 }),
      })
      for await (const record of records) expect(record.loss).toBeCloseTo(lossOf(3), 5)
    }
  })

  it('leaves accuracy out with a loss of the caller’s own where both readings fit', async () => {
    const classes = [0, 1, 2, 2, 1, 0]
    const data = inMemory(logits([2, 3], classes, 3, -1), labels(classes, [2, 3]))
    const own = (output: unknown) => call('aten::sum', [output as Tensor]) as Tensor
    const evaluation = await evaluate(await identity(), data, { loss: own })
    expect(evaluation).toEqual({ loss: expect.any(Number) })
  })

  it('probabilities take either form', async () => {
    const [one, other] = [logits([1, 3], [0, 1, 2], 4, 1), logits([1, 3], [0, 1, 2], 4, -1)]
    const loss = async ({ data, shape }: typeof one, classAxis: 1 | -1) => {
      const tensor = Tensor.from(data, shape)
      const half = Tensor.full(shape, 0.25)
      return (await lossFunction('cross-entropy', classAxis)(tensor, half)).item()
    }
    expect(await loss(one, 1)).toBeCloseTo(await loss(other, -1), 6)
    const tensor = Tensor.from(one.data, one.shape)
    await expect(lossFunction('cross-entropy')(tensor, tensor)).rejects.toEqual(invalid(/dimension 1/))
  })
})

describe('targets that do not fit', () => {
  const output = Tensor.zeros([2, 3])
  const cases: [string, Tensor, RegExp][] = [
    ['a class beyond the last', Tensor.from([0n, 3n], [2]), /a target is 3: the output has 3 classes, 0 to 2/],
    ['a negative class', Tensor.from([0n, -1n], [2]), /a target is -1/],
    ['another dtype', Tensor.from([0, 1], [2], { dtype: 'int32' }), /int64 class indices .*are int32 \[2\]/],
    ['another number', Tensor.from([0n], [1]), /targets \[1\] don't fit the output \[2, 3\]/],
    ['one-hot classes in int64', Tensor.from([1n, 0n, 0n, 1n, 0n, 0n], [2, 3]), /don't fit the output/],
  ]
  it.each(cases)('are refused: %s', async (_, targets, words) => {
    await expect(lossFunction('cross-entropy')(output, targets)).rejects.toEqual(invalid(words))
  })

  it('-100 is left out, of the loss and of the accuracy', async () => {
    const data = inMemory(logits([1, 3], [0, 1, 2], 4, -1), labels([0, -100, 3], [1, 3]))
    const { loss, accuracy } = await evaluate(await identity(), data, { loss: 'cross-entropy' })
    expect(accuracy).toBe(0.5)
    expect(loss).toBeCloseTo((lossOf(4) + lossOf(4) + 5) / 2, 5)
  })

  it('mse stretches nothing', async () => {
    const loss = lossFunction('mse')(output, Tensor.zeros([3]))
    await expect(loss).rejects.toEqual(invalid(/output's shape \[2, 3\], not \[3\]/))
  })

  it('a loss of the caller’s own must give one number', async () => {
    const own = lossFunction((() => 5) as never)
    await expect(own(output, output)).rejects.toEqual(invalid(/must give a Tensor of one element, not 5/))
  })
})

it('the validation of a phase comes in batches of its size', async () => {
  const sizes: number[] = []
  const data = inMemory(logits([7], [0, 1, 2, 0, 1, 2, 0], 3, 1), labels([0, 1, 2, 0, 1, 2, 0], [7]))
  const validation = {
    size: data.size,
    batch: (indices: Int32Array) => {
      sizes.push(indices.length)
      return data.batch(indices)
    },
  }
  const options = { data: { train: data, validation }, epochs: 1, batchSize: 3, optimizer: sgd({ lr: 0.1 }) }
  for await (const _ of train(await identity(), { ...options, loss: 'cross-entropy' }));
  expect(sizes).toEqual([3, 3, 1])
})
