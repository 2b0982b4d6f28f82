import { describe, expect, it } from 'vitest'
import { finite } from '../../lib/optim/gradients.js'
import { call, run, scope, Tensor } from '../../lib/torch/index.js'

const DTYPES = ['float32', 'float64', 'float16', 'bfloat16'] as const
type Floating = (typeof DTYPES)[number]

/** A weight of ones with a gradient of these values; `transposed` in memory where asked for. */
function weightOf(values: readonly number[], dtype: Floating, isTransposed = false): Tensor {
  const shape = isTransposed ? [2, values.length / 2] : [values.length]
  const cast = (tensor: Tensor) => call('aten::to.dtype', [tensor, dtype]) as Tensor
  const gradient = cast(Tensor.from(Float64Array.from(values), shape))
  const weight = cast(Tensor.full(isTransposed ? shape.toReversed() : shape, 1))
  weight.requiresGrad = true
  weight.grad = isTransposed ? (call('aten::t', [gradient]) as Tensor) : gradient
  return weight
}

/** The losses; nothing where the program was ended. */
async function look(losses: readonly Tensor[], weights: readonly Tensor[]): Promise<number[] | undefined> {
  const named = new Map(weights.map((weight, k) => [`${k}`, weight]))
  const after = Tensor.from([1], [1])
  const program = [finite(losses, named), { op: 'aten::zero_', args: [after] }]
  try {
    const [values] = await run(program)
    expect(after.item()).toBe(0)
    return Array.from((values as Tensor).data() as Float64Array)
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_TORCH', message: expect.stringContaining('is not finite') })
    // What comes after it is not done.
    expect(after.item()).toBe(1)
    return undefined
  }
}

describe.each(DTYPES)('gradients of %s', (dtype) => {
  const largest = { float32: 3.4028234663852886e38, float64: Number.MAX_VALUE, float16: 65504, bfloat16: 3.38953e38 }

  it('of any size are finite, the largest, denormals and minus zero, too', () =>
    scope(async () => {
      const values = [0, -0, 1, -largest[dtype], largest[dtype], 1e-45, 5e-324]
      expect(await look([Tensor.from([2.5], [1])], [weightOf(values, dtype)])).toEqual([2.5])
    }))

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('with %s somewhere are not', (broken) =>
    scope(async () => {
      for (const place of [0, 65535, 65536, 140000, 140001]) {
        const values = Array.from({ length: 140002 }, (_, k) => (k === place ? broken : 1))
        for (const isTransposed of [false, true]) {
          expect(await look([], [weightOf([1], dtype), weightOf(values, dtype, isTransposed)])).toBeUndefined()
        }
      }
    }),
  )
})

describe('losses', () => {
  it('come back as they are, of any type, in their order', () =>
    scope(async () => {
      const half = call('aten::to.dtype', [Tensor.from([0.1], []), 'float16']) as Tensor
      const double = Tensor.from(Float64Array.of(0.1), [1])
      expect(await look([double, half], [])).toEqual([0.1, half.item()])
    }))

  it('that are not finite end the program', () =>
    scope(async () => {
      const fine = weightOf([1], 'float32')
      expect(await look([Tensor.from([1], []), Tensor.from([Number.NaN], [])], [fine])).toBeUndefined()
    }))

  it('need no gradients', () =>
    scope(async () => {
      const bare = Tensor.from([1], [1], { requiresGrad: true })
      const empty = Tensor.zeros([0, 3], { requiresGrad: true })
      empty.grad = Tensor.zeros([0, 3])
      expect(await look([Tensor.from([3], [])], [bare, empty])).toEqual([3])
      expect(await look([], [])).toEqual([])
    }))

  it('beside gradients with gaps in memory are as sure', () =>
    scope(async () => {
      const weight = Tensor.full([2], 1, { requiresGrad: true })
      const wide = Tensor.from([1, 2, Number.NaN, 4], [4])
      const sparse = (values: Tensor) => call('aten::slice.Tensor', [values, 0, 0, 4, 2]) as Tensor
      weight.grad = sparse(wide)
      expect(await look([], [weight])).toBeUndefined()
      weight.grad = sparse(Tensor.from([1, Number.NaN, 3, Number.NaN], [4]))
      expect(await look([Tensor.from([3], [])], [weight])).toEqual([3])
    }))
})
