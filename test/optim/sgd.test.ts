import { describe, expect, it } from 'vitest'
import { scope, Tensor } from '../../lib/torch/index.js'
import { type SgdOptions, sgd } from '../../lib/train/index.js'

/** PyTorch's rule, written out: g += wd * w; v = m * v + g (v = g first); w -= lr * (nesterov ? g + m * v : v). */
function reference(options: SgdOptions, weights: number[], gradients: number[][], rates: number[]): number[] {
  const { momentum = 0, weightDecay = 0, nesterov = false } = options
  let v = weights.map(() => 0)
  let w = weights
  gradients.forEach((gradient, k) => {
    const g = gradient.map((x, i) => x + weightDecay * w[i]!)
    v = v.map((x, i) => momentum * x + g[i]!)
    const move = nesterov ? g.map((x, i) => x + momentum * v[i]!) : v
    w = w.map((x, i) => x - rates[k]! * move[i]!)
  })
  return w
}

describe('sgd', () => {
  const start = [1, -2, 3]
  const gradients = [
    [0.5, 0.25, -1],
    [1, 0, 2],
    [-1, 3, 0.125],
  ]
  const rates = [0.1, 0.05, 0.2]

  it.each<[string, SgdOptions]>([
    ['plain', { lr: 1 }],
    ['with momentum', { lr: 1, momentum: 0.9 }],
    ['with Nesterov momentum', { lr: 1, momentum: 0.9, nesterov: true }],
    ['with weight decay', { lr: 1, momentum: 0.5, weightDecay: 0.1 }],
  ])('%s follows its rule while the learning rate changes', async (_, options) => {
    for (const dtype of ['float32', 'float64'] as const) {
      const w = Tensor.from(start, [3], { dtype, requiresGrad: true })
      const optimizer = sgd(options).bind(new Map([['w', w]]))
      for (const [k, gradient] of gradients.entries()) {
        w.grad = Tensor.from(gradient, [3], { dtype })
        optimizer.lr = rates[k]!
        await scope(() => optimizer.step())
      }
      const expected = reference(options, start, gradients, rates)
      Array.from(w.data() as Float64Array).forEach((x, i) => {
        expect(x).toBeCloseTo(expected[i]!, dtype === 'float64' ? 12 : 5)
      })
      optimizer.dispose()
      w.dispose()
    }
  })

  it('leaves parameters without a gradient, and starts their momentum with their first one', async () => {
    const w = Tensor.from(start, [3], { dtype: 'float64', requiresGrad: true })
    const late = Tensor.from(start, [3], { dtype: 'float64', requiresGrad: true })
    const options: SgdOptions = { lr: 0.1, momentum: 0.9 }
    const optimizer = sgd(options).bind(new Map(Object.entries({ w, late })))
    w.grad = Tensor.from(gradients[0]!, [3], { dtype: 'float64' })
    await optimizer.step()
    expect(Array.from(late.data() as Float64Array)).toEqual(start)
    for (const parameter of [w, late]) parameter.grad = Tensor.from(gradients[1]!, [3], { dtype: 'float64' })
    await optimizer.step()
    const expected = reference(options, start, [gradients[1]!], [0.1])
    Array.from(late.data() as Float64Array).forEach((x, i) => {
      expect(x).toBeCloseTo(expected[i]!, 12)
    })
    optimizer.zeroGrad()
    expect([w.grad, late.grad]).toEqual([null, null])
  })

  it('refuses options out of their ranges', () => {
    const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    const wrong: SgdOptions[] = [{ lr: 0 }, { lr: Number.NaN }, { lr: 1, momentum: 1 }, { lr: 1, nesterov: true }]
    for (const options of wrong) expect(() => sgd(options)).toThrow(refused)
  })
})
