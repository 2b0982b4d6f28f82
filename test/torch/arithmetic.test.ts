import { EspalierError, manualSeed, Tensor } from 'espalier'
import { describe, expect, it } from 'vitest'

const a = Tensor.from([1, 2, 3, 4], [2, 2])
const row = Tensor.from([10, 20], [2])
const list = (tensor: Tensor) => [...(tensor.data() as Float32Array)]

describe('arithmetic of tensors', () => {
  it('takes tensors, which are broadcast, and numbers', () => {
    expect(list(a.add(row))).toEqual([11, 22, 13, 24])
    expect(list(a.sub(1))).toEqual([0, 1, 2, 3])
    expect(list(a.mul(row))).toEqual([10, 40, 30, 80])
    expect(list(a.div(2))).toEqual([0.5, 1, 1.5, 2])
  })

  it('is followed by autograd', async () => {
    const w = Tensor.from([2, 3], [2], { requiresGrad: true })
    await w
      .mul(w)
      .add(row)
      .backward({ gradient: Tensor.full([2], 1) })
    expect(list(w.grad as Tensor)).toEqual([4, 6])
  })

  it('refuses what is neither, and shapes that do not fit', () => {
    for (const wrong of ['2', null, undefined, [1]]) expect(() => a.add(wrong as never)).toThrow(EspalierError)
    expect(() => a.mul(Tensor.zeros([3]))).toThrow(EspalierError)
  })

  it('reshapes, with one size left open', () => {
    expect(a.reshape(4).shape).toEqual([4])
    expect(a.reshape(1, -1).shape).toEqual([1, 4])
    expect(() => a.reshape(3)).toThrow(EspalierError)
  })
})

it('the same seed gives the same normal numbers', () => {
  manualSeed(3)
  const first = Tensor.randn([2000])
  manualSeed(3)
  expect(list(Tensor.randn([2000]))).toEqual(list(first))
  const values = list(first)
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length
  expect(Math.abs(mean)).toBeLessThan(0.1)
  expect(Math.abs(variance - 1)).toBeLessThan(0.15)
  expect(Tensor.randn([2], { dtype: 'float64', requiresGrad: true })).toMatchObject({
    dtype: 'float64',
    requiresGrad: true,
  })
})
