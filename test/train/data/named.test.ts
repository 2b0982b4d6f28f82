import { batches, define, evaluate, inMemory, sgd, split, subset, Tensor, train } from 'espalier'
import { describe, expect, it } from 'vitest'
import { failure } from '../../torch/support.js'

/** `ids - 10 mask`, of which only one order gives the targets. */
const SOURCE = `def forward(self, ids: Tensor, mask: Tensor, factor: float = 10.0) -> Tensor:
  return (ids - factor * mask) * self.one`
const modelOf = () => define(SOURCE, { parameters: { one: Tensor.from([1], [1], { requiresGrad: true }) } })

const column = (...values: number[]) => ({ data: Float32Array.from(values), shape: [values.length, 1] })
const [ids, mask, targets] = [column(1, 2, 3, 4), column(5, 6, 7, 8), column(-49, -58, -67, -76)]

describe('inputs with names', () => {
  it('are told by a model', async () => {
    expect((await modelOf()).inputNames()).toEqual(['ids', 'mask', 'factor'])
  })

  it.each([
    ['in the order of the model', { ids, mask }],
    ['in another order', { mask, ids }],
  ])('given %s reach it in its own', async (_, inputs) => {
    const model = await modelOf()
    const data = inMemory(inputs, targets)
    const options = { loss: 'mse' } as const
    expect((await evaluate(model, data, options)).loss).toBe(0)
    expect((await evaluate(model, subset(data, [3, 1]), options)).loss).toBe(0)
    expect((await evaluate(model, split(data, { validation: 0.5 }).validation, options)).loss).toBe(0)
    const losses: number[] = []
    for await (const event of train(model, {
      ...options,
      data: { train: data },
      epochs: 1,
      optimizer: sgd({ lr: 0.1 }),
    }))
      losses.push(event.loss)
    expect(losses).toEqual([0, 0])
  })

  it('come in the order of the data where no model says another', async () => {
    for await (const { inputs } of batches(inMemory({ mask, ids }))) {
      expect(inputs.map((tensor) => tensor.data()[0])).toEqual([5, 1])
    }
  })

  it.each([
    ['fewer', ['ids', 'mask'], [ids], /1 inputs for the 2 of 'inputNames': 'ids', 'mask'/],
    ['more', ['ids'], [ids, mask], /2 inputs for the 1 of 'inputNames': 'ids'/],
    ['the same twice', ['ids', 'ids'], [ids, mask], /two inputs of the name 'ids'/],
  ])('are as many as the arrays, and each is another: %s', async (_, inputNames, inputs, words) => {
    const data = { size: 4, inputNames, batch: () => ({ inputs, targets }) }
    const { code, message } = await failure(async () => evaluate(await modelOf(), data, { loss: 'mse' }))
    expect([code, message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringMatching(words)])
  })

  it('that the model does not have are refused, with the nearest; and so are those that are not there', async () => {
    const model = await modelOf()
    const refusal = async (inputs: Record<string, typeof ids>) => {
      const { code, message } = await failure(() => evaluate(model, inMemory(inputs, targets), { loss: 'mse' }))
      expect(code).toBe('ERR_INVALID_ARGUMENT')
      return message
    }
    expect(await refusal({ ids, masks: mask })).toBe("the model has no input 'masks': did you mean 'mask'?")
    expect(await refusal({ mask })).toBe("the data have no input 'ids', only 'mask'")
    expect(await refusal({ ids, else: mask })).toMatch(/it takes 'ids', 'mask', 'factor'/)
  })
})
