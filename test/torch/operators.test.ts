import { Tensor } from 'espalier'
import { call, type OpArg, type OpCall, run } from 'espalier/torch'
import { describe, expect, test } from 'vitest'
import { expectClose, failure, numbers } from './support.js'

const vector = (...values: number[]) => Tensor.from(values, [values.length])

describe('call', () => {
  test('a number becomes what the schema asks for', () => {
    const x = vector(1, 2)
    expect(numbers(call('aten::mul.Scalar', [x, 2.5]) as Tensor)).toEqual([2.5, 5]) // Scalar, float
    expect((call('aten::mul.Scalar', [vector(1), 2]) as Tensor).dtype).toBe('float32') // Scalar, int
    expect((call('aten::sum.dim_IntList', [x, [0]]) as Tensor).item()).toBe(3) // int[]
    expect((call('aten::leaky_relu', [vector(-2), 0.5]) as Tensor).item()).toBe(-1)
    expect((call('aten::dropout', [x, 1, true]) as Tensor).shape).toEqual([2]) // float from an integer, bool
    const integers = Tensor.from([3n], [1])
    expect((call('aten::mul.Scalar', [integers, 2]) as Tensor).dtype).toBe('int64')
    expect((call('aten::add.Scalar', [integers, 2n ** 60n]) as Tensor).data()).toStrictEqual(
      BigInt64Array.of(2n ** 60n + 3n),
    )
  })

  test('dtypes, devices, layouts and memory formats go by name', () => {
    const zeros = call('aten::zeros', [[2, 3], 'float64', 'strided', 'cpu']) as Tensor
    expect([zeros.dtype, zeros.shape]).toEqual(['float64', [2, 3]])
    expect((call('aten::to.dtype', [zeros, 'bool']) as Tensor).dtype).toBe('bool')
    expect((call('aten::clone', [Tensor.zeros([1, 2, 3, 4]), 'channels_last']) as Tensor).shape).toEqual([1, 2, 3, 4])
  })

  test('null is None, and what is left out has its default', () => {
    const x = Tensor.full([1, 1, 2, 2], 1)
    const weight = Tensor.full([1, 1, 1, 1], 3)
    expect(numbers(call('aten::conv2d', [x, weight, null]) as Tensor)).toEqual([3, 3, 3, 3])
    expect(numbers(call('aten::conv2d', [x, weight, undefined, 2]) as Tensor)).toEqual([3]) // one stride for both sizes
  })

  test('lists of tensors, also with None in them', () => {
    expect(numbers(call('aten::cat', [[vector(1), vector(2, 3)], 0]) as Tensor)).toEqual([1, 2, 3])
    const matrix = Tensor.from([1, 2, 3, 4], [2, 2])
    const picked = call('aten::index.Tensor', [matrix, [null, Tensor.from([1n], [1])]]) as Tensor
    expect(numbers(picked)).toEqual([2, 4])
  })

  test('several results and lists come as arrays, no tensor as null', () => {
    const [values, indices] = call('aten::topk', [vector(3, 9, 5), 2]) as [Tensor, Tensor]
    expect([numbers(values), numbers(indices)]).toEqual([
      [9, 5],
      [1, 2],
    ])
    const parts = call('aten::split.Tensor', [vector(1, 2, 3), 2]) as Tensor[]
    expect(parts.map(numbers)).toEqual([[1, 2], [3]])
    expect(call('aten::is_nonzero', [vector(2)])).toBe(true)
    expect(call('aten::size.int', [Tensor.zeros([2, 5]), 1])).toBe(5)
  })

  test('in place changes the tensor itself', () => {
    const x = vector(1, 2)
    const result = call('aten::mul_.Scalar', [x, 3]) as Tensor
    expect(numbers(x)).toEqual([3, 6])
    expect(result.isSame(x)).toBe(true)
  })

  test('is followed by autograd unless told not to', () => {
    const x = Tensor.from([1], [1], { requiresGrad: true })
    expect((call('aten::neg', [x]) as Tensor).requiresGrad).toBe(true)
    expect((call('aten::neg', [x], { noGrad: true }) as Tensor).requiresGrad).toBe(false)
  })
})

describe('a call that does not fit its schema is refused before it runs', () => {
  const x = () => vector(1, 2)
  test.each<[string, string, () => OpArg[], RegExp]>([
    ['an unknown operator', 'aten::no_such_thing', () => [], /there is no operator 'aten::no_such_thing'/],
    ['an unknown overload', 'aten::mul.Nope', () => [], /there is no operator 'aten::mul\.Nope'/],
    ['a name without a namespace', 'mul', () => [], /'mul' is no operator name/],
    ['too few arguments', 'aten::mul.Tensor', () => [x()], /aten::mul\.Tensor: argument 'other' is missing/],
    ['too many arguments', 'aten::neg', () => [x(), 1], /aten::neg: takes at most 1 arguments, not 2/],
    ['a number for a tensor', 'aten::mul.Tensor', () => [x(), 2], /other: expected Tensor, not 2/],
    ['a tensor for a number', 'aten::mul.Scalar', () => [x(), x()], /other: expected .*, not a tensor/],
    ['a fraction for an int', 'aten::select.int', () => [x(), 0.5, 0], /dim: expected int, not 0\.5/],
    ['NaN for an int', 'aten::select.int', () => [x(), Number.NaN, 0], /dim: expected int, not NaN/],
    ['2^64 for an int', 'aten::select.int', () => [x(), 2n ** 64n, 0], /dim: expected int, not 18446744073709551616n/],
    ['text for a list', 'aten::sum.dim_IntList', () => [x(), 'all'], /dim: expected .*, not "all"/],
    ['a wrong element of a list', 'aten::cat', () => [[x(), 3], 0], /tensors\[1\]: expected Tensor, not 3/],
    ['a number for a bool', 'aten::dropout', () => [x(), 0.5, 1], /train: expected bool, not 1/],
    ['null where nothing is optional', 'aten::neg', () => [null], /self: expected Tensor, not null/],
    ['a dtype that is none', 'aten::to.dtype', () => [x(), 'float31'], /dtype: expected .*, not "float31"/],
    ['a device that is none', 'aten::zeros', () => [[1], null, null, 'toaster'], /device.*"toaster"/],
  ])('%s', async (_, op, args, message) => {
    for (const action of [() => call(op, args() as Parameters<typeof call>[1]), () => run([{ op, args: args() }])]) {
      const error = await failure(action)
      expect(error.code).toBe('ERR_INVALID_ARGUMENT')
      expect(error.message).toMatch(message)
    }
  })

  test('and the error tells the schema, or the overloads that there are', async () => {
    const missing = await failure(() => call('aten::neg', []))
    expect(missing.detail).toContain('aten::neg(Tensor self) -> Tensor')
    const overload = await failure(() => call('aten::mul', []))
    expect(overload.hint).toContain('aten::mul.Tensor')
  })

  test('what LibTorch refuses is ERR_TORCH with its first line', async () => {
    const error = await failure(() => call('aten::mm', [Tensor.zeros([2, 3]), Tensor.zeros([2, 3])]))
    expect(error.code).toBe('ERR_TORCH')
    expect(error.message).toBe('mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)')
  })
})

describe('run', () => {
  test('a program refers to earlier results, whole or by item', async () => {
    const x = vector(3, 9, 5)
    const [top, parts, joined] = (await run([
      { op: 'aten::topk', args: [x, 2] },
      { op: 'aten::split.Tensor', args: [x, 1] },
      { op: 'aten::cat', args: [[{ result: 0, item: 0 }, { result: 1, item: 2 }, x], 0] },
    ])) as [Tensor[], Tensor[], Tensor]
    expect([top.length, parts.length]).toEqual([2, 3])
    expect(numbers(joined)).toEqual([9, 5, 5, 3, 9, 5])
  })

  test('only what is asked for comes back, in that order', async () => {
    const program: OpCall[] = [
      { op: 'aten::add.Scalar', args: [vector(1), 1] },
      { op: 'aten::mul.Scalar', args: [{ result: 0 }, 10] },
      { op: 'aten::neg', args: [{ result: 0 }] },
    ]
    const results = (await run(program, { returns: [2, 1] })) as Tensor[]
    expect(results.map((tensor) => tensor.item())).toEqual([-2, 20])
    expect(await run(program, { returns: [] })).toEqual([])
    expect(await run([])).toEqual([])
  })

  test('autograd follows only when asked to', async () => {
    const x = Tensor.from([3], [1], { requiresGrad: true })
    const square: OpCall[] = [{ op: 'aten::square', args: [x] }]
    expect(((await run(square)) as Tensor[])[0]!.requiresGrad).toBe(false)
    const [y] = (await run(square, { grad: true })) as [Tensor]
    await y.backward()
    expect(x.grad!.item()).toBe(6)
  })

  test('denormal numbers are kept, or flushed for the job that asks for it', async () => {
    const program: OpCall[] = [{ op: 'aten::mul.Scalar', args: [vector(1e-39, 1), 0.5] }]
    const denormal = Math.fround(Math.fround(1e-39) * 0.5)
    const plain = (await run(program)) as [Tensor]
    const flushed = (await run(program, { flushDenormals: true })) as [Tensor]
    const after = (await run(program)) as [Tensor]
    expect([plain, flushed, after].map(([tensor]) => numbers(tensor)[0])).toEqual([denormal, 0, denormal])
  })

  test('flushing holds in every thread of an operator', async () => {
    const many = Tensor.full([1 << 20], 1e-39)
    const program: OpCall[] = [
      { op: 'aten::mul.Scalar', args: [many, 0.5] },
      { op: 'aten::count_nonzero', args: [{ result: 0 }] },
    ]
    const counts: number[] = []
    for (const flushDenormals of [false, true, false]) {
      const [count] = (await run(program, { flushDenormals, returns: [1] })) as [Tensor]
      counts.push(count.item())
    }
    expect(counts).toEqual([1 << 20, 0, 1 << 20])
  })

  test.each<[string, OpCall[], RegExp]>([
    ['a later call', [{ op: 'aten::neg', args: [{ result: 0 }] }], /result must be an integer from 0 to -1, not 0/],
    ['a negative call', [{ op: 'aten::neg', args: [{ result: -1 }] }], /result must be/],
    ['a fractional item', [...top(), { op: 'aten::neg', args: [{ result: 0, item: 0.5 }] }], /item must be/],
    [
      'an item that is not there',
      [...top(), { op: 'aten::neg', args: [{ result: 0, item: 2 }] }],
      /has 2 items, not 3/,
    ],
    ['two results as one tensor', [...top(), { op: 'aten::neg', args: [{ result: 0 }] }], /self: expected Tensor/],
    ['an item of one tensor', [...neg(), { op: 'aten::neg', args: [{ result: 0, item: 0 }] }], /a single value/],
  ])('refuses a reference to %s', async (_, program, message) => {
    const error = await failure(() => run(program))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(error.message).toMatch(message)
  })

  test.each([[[1]], [[-1]], [[0.5]]])('refuses returns %j of a program of one call', async (returns) => {
    expect((await failure(() => run(neg(), { returns }))).code).toBe('ERR_INVALID_ARGUMENT')
  })

  test('one error ends the program, not the thread', async () => {
    const bad: OpCall[] = [{ op: 'aten::mm', args: [Tensor.zeros([2, 3]), Tensor.zeros([2, 3])] }, ...neg()]
    expect((await failure(() => run(bad))).code).toBe('ERR_TORCH')
    expectClose(((await run(neg())) as [Tensor])[0], [-1])
  })
})

function top(): OpCall[] {
  return [{ op: 'aten::topk', args: [vector(3, 9, 5), 2] }]
}

function neg(): OpCall[] {
  return [{ op: 'aten::neg', args: [vector(1)] }]
}
