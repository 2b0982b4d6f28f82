import { inspect } from 'node:util'
import { type DType, Tensor } from 'espalier'
import { call, type TypedArray } from 'espalier/torch'
import { describe, expect, test } from 'vitest'
import { failure, numbers } from './support.js'

describe('a tensor from numbers', () => {
  test.each<[DType, TypedArray]>([
    ['float32', Float32Array.of(1.5, -2, Number.NaN)],
    ['float64', Float64Array.of(1e-300, 0.1, Number.POSITIVE_INFINITY)],
    ['int64', BigInt64Array.of(2n ** 62n + 1n, -(2n ** 63n), 0n)],
    ['int32', Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0)],
    ['int16', Int16Array.of(-32768, 32767, 1)],
    ['int8', Int8Array.of(-128, 127, 0)],
    ['uint8', Uint8Array.of(0, 255, 7)],
  ])('keeps the dtype and the bits of a typed array: %s', (dtype, data) => {
    const tensor = Tensor.from(data, [3])
    expect(tensor.dtype).toBe(dtype)
    expect(tensor.data()).toStrictEqual(data)
  })

  test.each<[DType, number[]]>([
    ['float32', [1, 2.5]],
    ['float64', [0.1, 2]],
    ['float16', [1, 2.5]],
    ['bfloat16', [1, 2.5]],
    ['int64', [1, -2]],
    ['int32', [1, -2]],
    ['int16', [1, -2]],
    ['int8', [1, -2]],
    ['uint8', [1, 255]],
    ['bool', [0, 1]],
  ])('converts an array of numbers to %s', (dtype, values) => {
    const tensor = Tensor.from(values, [2], { dtype })
    expect(tensor.dtype).toBe(dtype)
    expect(numbers(tensor)).toEqual(values)
  })

  test('takes bigints as int64 and plain numbers as float32', () => {
    expect(Tensor.from([1n, 2n], [2]).dtype).toBe('int64')
    expect(Tensor.from([1, 2], [2]).dtype).toBe('float32')
  })

  test('reads float16 and bfloat16 back as Float32Array, bool as Uint8Array', () => {
    expect(Tensor.from([1], [1], { dtype: 'float16' }).data()).toBeInstanceOf(Float32Array)
    expect(Tensor.from([1], [1], { dtype: 'bfloat16' }).data()).toBeInstanceOf(Float32Array)
    expect(Tensor.from([1], [1], { dtype: 'bool' }).data()).toStrictEqual(Uint8Array.of(1))
  })

  test('copies: a later change of the array does not show, nor one of what data() gave', () => {
    const data = Float32Array.of(1, 2)
    const tensor = Tensor.from(data, [2])
    data[0] = 9
    tensor.data()[1] = 9
    expect(numbers(tensor)).toEqual([1, 2])
  })

  test('reads the part of a buffer that the array shows, also in memory shared between threads', () => {
    const buffer = Float32Array.of(1, 2, 3, 4).buffer
    expect(numbers(Tensor.from(new Float32Array(buffer, 4, 2), [2]))).toEqual([2, 3])
    const shared = new Float32Array(new SharedArrayBuffer(8))
    shared.set([5, 6])
    expect(numbers(Tensor.from(shared, [2]))).toEqual([5, 6])
  })

  test('has scalars and empty tensors', () => {
    const scalar = Tensor.from([3], [])
    expect(scalar.shape).toEqual([])
    expect(scalar.numel).toBe(1)
    expect(scalar.item()).toBe(3)
    const empty = Tensor.from([], [0, 3])
    expect(empty.shape).toEqual([0, 3])
    expect(empty.data()).toStrictEqual(new Float32Array(0))
  })

  test('fills', () => {
    const full = Tensor.full([2, 3], 1.5, { dtype: 'float64', requiresGrad: true })
    expect([full.dtype, full.requiresGrad, full.numel]).toEqual(['float64', true, 6])
    expect(numbers(full)).toEqual([1.5, 1.5, 1.5, 1.5, 1.5, 1.5])
    expect(Tensor.full([], 2.5).item()).toBe(2.5)
    const zeros = Tensor.zeros([2], { dtype: 'int64' })
    call('aten::fill_.Scalar', [zeros, 4]) // memory of its own, not one element seen twice
    expect(zeros.data()).toStrictEqual(BigInt64Array.of(4n, 4n))
  })
})

describe('a wrong argument is named', () => {
  const nonsense = <T>(value: unknown) => value as T
  test.each<[string, () => unknown, RegExp]>([
    ['too few elements', () => Tensor.from([1, 2, 3], [2, 2]), /data has 3 elements and shape asks for 4/],
    ['a fractional size', () => Tensor.from([1], [1.5]), /shape\[0\].* not 1\.5/],
    ['a negative size', () => Tensor.from([1], [1, -1]), /shape\[1\].* not -1/],
    ['a NaN size', () => Tensor.from([1], [Number.NaN]), /shape\[0\].* not NaN/],
    ['a size that is text', () => Tensor.from([1], nonsense(['1'])), /shape\[0\].* not "1"/],
    ['a shape that is a number', () => Tensor.from([1], nonsense(1)), /shape must be an array of integers, not 1/],
    ['more elements than there can be', () => Tensor.from([1], [2 ** 40, 2 ** 40]), /too many elements/],
    [
      'a dtype that is none',
      () => Tensor.from([1], [1], { dtype: nonsense('float31') }),
      /'dtype' must be .* not 'float31'/,
    ],
    ['a fraction for an integer', () => Tensor.from([1, 0.5], [2], { dtype: 'int32' }), /data\[1\]: 0\.5 .*int32/],
    ['a number out of range', () => Tensor.from([300], [1], { dtype: 'uint8' }), /data\[0\]: 300 .*uint8/],
    ['NaN for an integer', () => Tensor.from([Number.NaN], [1], { dtype: 'int64' }), /data\[0\]: NaN .*int64/],
    ['2^63 for int64', () => Tensor.from([2 ** 63], [1], { dtype: 'int64' }), /data\[0\]/],
    ['a fraction in a typed array', () => Tensor.from(Float32Array.of(0.5), [1], { dtype: 'int8' }), /data\[0\]: 0\.5/],
    ['2 for a bool', () => Tensor.from(Uint8Array.of(2), [1], { dtype: 'bool' }), /data\[0\]: 2 .*bool/],
    ['bigint for float32', () => Tensor.from([1n], [1], { dtype: 'float32' }), /data\[0\]: 1n .*float32/],
    ['text among the numbers', () => Tensor.from(nonsense([1, '2']), [2]), /data\[1\]: "2"/],
    ['a hole among the numbers', () => Tensor.from(nonsense([1, undefined]), [2]), /data\[1\]: undefined/],
    ['data that is none', () => Tensor.from(nonsense('abc'), [3]), /data must be/],
    ['a typed array that no tensor has', () => Tensor.from(nonsense(new Uint16Array(1)), [1]), /data must be/],
    ['gradients of integers', () => Tensor.from([1], [1], { dtype: 'int64', requiresGrad: true }), /requiresGrad/],
    ['requiresGrad that is no boolean', () => Tensor.from([1], [1], { requiresGrad: nonsense(1) }), /requiresGrad.* 1/],
    ['a fill value out of range', () => Tensor.full([2], 300, { dtype: 'uint8' }), /300/],
    ['a negative size of zeros', () => Tensor.zeros([1, -1]), /shape\[1\].* not -1/],
    ['a fractional size of a full one', () => Tensor.full([1.5], 1), /shape\[0\].* not 1\.5/],
    ['a negative size of random numbers', () => Tensor.randn([-1]), /shape\[0\].* not -1/],
    ['a shape of random numbers that is a number', () => Tensor.randn(nonsense(1)), /'shape' must be a list of sizes/],
    ['item() of two elements', () => Tensor.from([1, 2], [2]).item(), /one element, not of 2/],
  ])('%s', async (_, action, message) => {
    const error = await failure(action)
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(error.message).toMatch(message)
  })
})

describe('gradients', () => {
  test('of a product: d(a*b)/da = b', async () => {
    const a = Tensor.from([2, 3], [2], { requiresGrad: true })
    const b = Tensor.from([5, 7], [2])
    const loss = call('aten::sum', [call('aten::mul.Tensor', [a, b])]) as Tensor
    expect(a.grad).toBeNull()
    await loss.backward()
    expect(numbers(a.grad!)).toEqual([5, 7])
    expect(b.grad).toBeNull()
  })

  test('add up, and null clears them', () => {
    const a = Tensor.from([2], [1], { requiresGrad: true })
    for (const wanted of [4, 8]) {
      ;(call('aten::square', [a]) as Tensor).backwardSync()
      expect(a.grad!.item()).toBe(wanted)
    }
    a.grad = null
    expect(a.grad).toBeNull()
  })

  test('can be set, and are the tensor that was given', () => {
    const a = Tensor.from([2, 3], [2], { requiresGrad: true })
    const grad = Tensor.from([1, 1], [2])
    a.grad = grad
    expect(a.grad!.isSame(grad)).toBe(true)
  })

  test('start from a given gradient, twice when the graph is retained', async () => {
    const a = Tensor.from([2, 3], [2], { requiresGrad: true })
    const square = call('aten::square', [a]) as Tensor
    const gradient = Tensor.from([1, 10], [2])
    await square.backward({ gradient, retainGraph: true })
    await square.backward({ gradient })
    expect(numbers(a.grad!)).toEqual([8, 120])
    expect((await failure(() => square.backward({ gradient }))).code).toBe('ERR_TORCH')
  })

  test.each<[string, (a: Tensor) => unknown]>([
    ['of another shape', (a) => (a.grad = Tensor.zeros([3]))],
    ['of another dtype', (a) => (a.grad = Tensor.zeros([2], { dtype: 'float64' }))],
    ['that is the tensor itself', (a) => (a.grad = a)],
    ['that is a number', (a) => (a.grad = 1 as unknown as Tensor)],
    ['of a tensor with two elements and no gradient', (a) => call('aten::square', [a]) && a.backwardSync()],
    ['of what requires none', () => Tensor.from([1], [1]).backward()],
    ['switched on for a result', (a) => ((call('aten::square', [a]) as Tensor).requiresGrad = false)],
  ])('are refused %s', async (_, action) => {
    const error = await failure(() => action(Tensor.from([2, 3], [2], { requiresGrad: true })))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
  })
})

describe('dispose', () => {
  const disposed = (): Tensor => {
    const tensor = Tensor.from([1], [1], { requiresGrad: true })
    tensor.dispose()
    return tensor
  }

  test('may be called again, also as Symbol.dispose', () => {
    const tensor = disposed()
    tensor.dispose()
    tensor[Symbol.dispose]()
    expect(tensor.disposed).toBe(true)
    expect(String(tensor)).toBe('Tensor(disposed)')
  })

  test.each<[string, (tensor: Tensor) => unknown]>([
    ['shape', (tensor) => tensor.shape],
    ['dtype', (tensor) => tensor.dtype],
    ['device', (tensor) => tensor.device],
    ['numel', (tensor) => tensor.numel],
    ['data', (tensor) => tensor.data()],
    ['item', (tensor) => tensor.item()],
    ['requiresGrad', (tensor) => tensor.requiresGrad],
    ['set requiresGrad', (tensor) => (tensor.requiresGrad = true)],
    ['grad', (tensor) => tensor.grad],
    ['set grad', (tensor) => (tensor.grad = null)],
    ['being a grad', (tensor) => (Tensor.zeros([1]).grad = tensor)],
    ['isSame', (tensor) => tensor.isSame(tensor)],
    ['backward', (tensor) => tensor.backward()],
    ['backwardSync', (tensor) => tensor.backwardSync()],
    ['call', (tensor) => call('aten::neg', [tensor])],
    ['call with it in a list', (tensor) => call('aten::cat', [[Tensor.zeros([1]), tensor], 0])],
  ])('makes %s throw ERR_DISPOSED', async (_, use) => {
    expect((await failure(() => use(disposed()))).code).toBe('ERR_DISPOSED')
  })

  test('of one tensor leaves another that shares its memory alone', () => {
    const whole = Tensor.from([1, 2, 3, 4], [4])
    const part = call('aten::slice.Tensor', [whole, 0, 1, 3]) as Tensor
    whole.dispose()
    expect(numbers(part)).toEqual([2, 3])
  })
})

test('a tensor shows what it is', () => {
  const tensor = Tensor.zeros([2, 3])
  expect(String(tensor)).toBe('Tensor([2, 3], float32, cpu)')
  expect(inspect(tensor)).toBe('Tensor([2, 3], float32, cpu)')
})
