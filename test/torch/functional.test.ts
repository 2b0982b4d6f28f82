import { load, Tensor } from 'espalier'
import { argmax, crossEntropy, crossEntropySync, mseLoss, mseLossSync, softmax } from 'espalier/torch'
import { describe, expect, test } from 'vitest'
import { expectClose, expected, failure, model, numbers, smallInput } from './support.js'

const logits = () => Tensor.from([Math.log(1), Math.log(3), Math.log(2), Math.log(2)], [2, 2], { requiresGrad: true })
const classes = () => Tensor.from([1n, 0n], [2])
// Softmax of the rows: [1/4, 3/4] and [1/2, 1/2].
const losses = [-Math.log(3 / 4), -Math.log(1 / 2)] as const

describe('cross entropy', () => {
  test('is -log of the probability of the target', async () => {
    expectClose(await crossEntropy(logits(), classes(), { reduction: 'none' }), losses)
    expectClose(await crossEntropy(logits(), classes(), { reduction: 'sum' }), [losses[0] + losses[1]])
    expectClose(crossEntropySync(logits(), classes()), [(losses[0] + losses[1]) / 2])
  })

  test('has the gradient (softmax - target) / N', async () => {
    const x = logits()
    await (await crossEntropy(x, classes())).backward()
    expectClose(x.grad!, [1 / 8, -1 / 8, -1 / 4, 1 / 4])
  })

  test('takes probabilities, smooths labels, and leaves autograd out on request', async () => {
    const uniform = Tensor.full([2, 2], 0.5)
    const even = [(-Math.log(1 / 4) - Math.log(3 / 4)) / 2, Math.log(2)] as const
    expectClose(await crossEntropy(logits(), uniform, { reduction: 'none' }), even)
    expectClose(await crossEntropy(logits(), classes(), { reduction: 'none', labelSmoothing: 1 }), even)
    expect((await crossEntropy(logits(), classes(), { grad: false })).requiresGrad).toBe(false)
    expect(crossEntropySync(logits(), classes(), { grad: false }).requiresGrad).toBe(false)
  })

  test('refuses targets of another size and classes that there are not', async () => {
    expect((await failure(() => crossEntropy(logits(), Tensor.from([1n], [1])))).code).toBe('ERR_TORCH')
    expect((await failure(() => crossEntropy(logits(), Tensor.from([1n, 2n], [2])))).code).toBe('ERR_TORCH')
  })
})

test('mean squared error is the mean of the squares', async () => {
  const input = Tensor.from([1, 5], [2], { requiresGrad: true })
  const target = Tensor.from([2, 2], [2])
  const loss = await mseLoss(input, target)
  expect(loss.item()).toBe(5)
  await loss.backward()
  expect(numbers(input.grad!)).toEqual([-1, 3])
  expect(mseLossSync(input, target, { reduction: 'sum' }).item()).toBe(10)
})

test('argmax and softmax work along a dimension', () => {
  const x = Tensor.from([1, 3, 2, 0, 0, 9], [2, 3])
  expect(numbers(argmax(x, 1))).toEqual([1, 2])
  expect(argmax(x).item()).toBe(5)
  expectClose(softmax(logits(), 1), [1 / 4, 3 / 4, 1 / 2, 1 / 2])
})

test('a forward, a loss and a backward give the gradients of PyTorch', async () => {
  const network = await load(model('small.script.pt'))
  const output = (await network.forwardWith([smallInput()], { grad: true })) as Tensor
  const loss = await crossEntropy(output, Tensor.from(expected.small.target, [2], { dtype: 'int64' }))
  expectClose(loss, [expected.small.loss])
  await loss.backward()
  expectClose(network.parameters().get('conv.bias')!.grad!, expected.small['grad of conv.bias'])
})
