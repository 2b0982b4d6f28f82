import { describe, expect, it } from 'vitest'
import { scope, Tensor } from '../../lib/torch/index.js'
import { type AdamWOptions, adamw } from '../../lib/train/index.js'

const start = [1, -2, 3]
const gradients = [
  [0.5, 0.25, -1],
  [1, 0, 2],
  [-1, 3, 0.125],
]

/** Algorithm 2 of Loshchilov and Hutter, written out. */
function reference({ lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01 }: AdamWOptions): number[] {
  const [beta1, beta2] = betas
  let [w, m, v] = [start, [0, 0, 0], [0, 0, 0]]
  gradients.forEach((g, k) => {
    m = m.map((x, i) => beta1 * x + (1 - beta1) * g[i]!)
    v = v.map((x, i) => beta2 * x + (1 - beta2) * g[i]! ** 2)
    w = w.map((x, i) => {
      const [mean, square] = [m[i]! / (1 - beta1 ** (k + 1)), v[i]! / (1 - beta2 ** (k + 1))]
      return x - lr * (mean / (Math.sqrt(square) + eps) + weightDecay * x)
    })
  })
  return w
}

const step = (optimizer: ReturnType<ReturnType<typeof adamw>['bind']>, w: Tensor, gradient: number[]) =>
  scope(async () => {
    w.grad = Tensor.from(gradient, [3], { dtype: 'float64' })
    await optimizer.step()
  })

describe('adamw', () => {
  it.each<AdamWOptions>([{}, { lr: 0.1, betas: [0.8, 0.9], eps: 1e-3, weightDecay: 0.5 }])(
    'follows its rule with %j',
    async (options) => {
      const w = Tensor.from(start, [3], { dtype: 'float64', requiresGrad: true })
      const optimizer = adamw(options).bind(new Map([['w', w]]))
      for (const gradient of gradients) await step(optimizer, w, gradient)
      const expected = reference(options)
      Array.from(w.data() as Float64Array).forEach((x, i) => {
        expect(x).toBeCloseTo(expected[i]!, 12)
      })
      optimizer.dispose()
      w.dispose()
    },
  )

  it('goes on from its state, steps and all, bit by bit', async () => {
    const [w, copy] = [0, 1].map(() => Tensor.from(start, [3], { dtype: 'float64', requiresGrad: true })) as [
      Tensor,
      Tensor,
    ]
    const factory = adamw({ lr: 0.1 })
    const whole = factory.bind(new Map([['w', w]]))
    const first = factory.bind(new Map([['w', copy]]))
    for (const each of [
      [whole, w],
      [first, copy],
    ] as const)
      await step(each[0], each[1], gradients[0]!)
    const resumed = factory.bind(new Map([['w', copy]]), first.state())
    first.dispose()
    for (const gradient of gradients.slice(1)) {
      await step(whole, w, gradient)
      await step(resumed, copy, gradient)
    }
    expect(resumed.state().steps).toBe(3)
    expect(Array.from(copy.data() as Float64Array)).toEqual(Array.from(w.data() as Float64Array))
    const part = { steps: 1, tensors: new Map([['w', { mean: w }]]) }
    expect(() => factory.bind(new Map([['w', copy]]), part)).toThrow(/the state of w has no 'square'/)
  })

  it('refuses options out of their ranges', () => {
    const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    const wrong: AdamWOptions[] = [
      { lr: 0 },
      { betas: [1, 0.9] },
      { betas: [0.9, -1] },
      { eps: 0 },
      { weightDecay: -1 },
    ]
    for (const options of wrong) expect(() => adamw(options)).toThrow(refused)
  })
})
