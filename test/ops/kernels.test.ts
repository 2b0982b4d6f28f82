// The operators of native/ops against a reference in float64.

import { describe, expect, it } from 'vitest'
import { Random } from '../../lib/base/random.js'
import { call, scope, Tensor } from '../../lib/torch/index.js'
import {
  CASES,
  coefficients,
  expectClose,
  type Floating,
  indices,
  normal,
  numel,
  PRECISION,
  plan,
  read,
  type Slice,
  slicesOf,
  tensorOf,
  unitsOf,
} from './reference.js'

describe.each(Object.entries(CASES))('%s', (_name, one) => {
  const { shape, memory } = one
  const { slices, units } = slicesOf(one)
  const dtypes = Object.keys(PRECISION) as Floating[]

  /** Weights, gradients and penalties of one dtype. */
  function given(dtype: Floating) {
    const random = new Random(5)
    const weight = tensorOf(normal(random, numel(shape)), shape, dtype, memory)
    const gradient = tensorOf(normal(random, numel(shape)), shape, dtype, memory)
    const reg = Float32Array.from({ length: units }, () => random.uniform())
    return { weight, gradient, reg, own: coefficients(shape, slices, reg), ...plan([weight], slices, reg) }
  }

  it.each(dtypes)('reg_apply_ adds scale * coefficient * weight, in %s', (dtype) => {
    scope(() => {
      const { weight, gradient, own, layout, arena } = given(dtype)
      const [w, g] = [read(weight), read(gradient)]
      call('espalier::reg_apply_', [[gradient], [weight], layout, arena, 0.5])
      expectClose(
        read(gradient),
        g.map((x, i) => x + 0.5 * own[i]! * w[i]!),
        PRECISION[dtype],
      )
      expect(read(weight)).toEqual(w)
    })
  })

  it.each(dtypes)('norms and unit_sums give the sum of every unit, in %s', (dtype) => {
    scope(() => {
      const { weight, gradient, layout, arena, gatherBegin, gatherSlots } = given(dtype)
      const [w, g] = [read(weight), read(gradient)]
      const met = unitsOf(shape, slices)
      const norms = {
        abs: (i: number) => Math.abs(w[i]!),
        square: (i: number) => w[i]! ** 2,
        'times-gradient': (i: number) => w[i]! * g[i]!,
      }
      for (const [norm, value] of Object.entries(norms)) {
        const gradients = norm === 'times-gradient' ? [gradient] : null
        const sums = call('espalier::norms', [[weight], layout, arena.numel, norm, gradients]) as Tensor
        const wanted = new Float64Array(units)
        const size = new Float64Array(units) // sums of what is added: rounding is relative to that
        let at = 0
        for (const index of indices(shape)) {
          const own = value(at++)
          for (let d = 0; d < index.length; d++) {
            for (const unit of met[d]![index[d]!]!) {
              wanted[unit]! += own
              size[unit]! += Math.abs(own)
            }
          }
        }
        const got = read(call('espalier::unit_sums', [sums, gatherBegin, gatherSlots]) as Tensor)
        got.forEach((sum, unit) => {
          expect(Math.abs(sum - wanted[unit]!), `${norm} of unit ${unit}`).toBeLessThanOrEqual(5e-7 * size[unit]!)
        })
      }
    })
  })

  it.each(dtypes)('unit_norms gives the sum of every unit in double, in %s', (dtype) => {
    scope(() => {
      const { weight, gradient } = given(dtype)
      const [w, g] = [read(weight), read(gradient)]
      const met = unitsOf(shape, slices)
      const norms = {
        abs: (i: number) => Math.abs(w[i]!),
        square: (i: number) => w[i]! ** 2,
        'times-gradient': (i: number) => w[i]! * g[i]!,
      }
      const table = Tensor.from(Int32Array.from(slices.flat()), [slices.length, 5])
      for (const [norm, value] of Object.entries(norms)) {
        const gradients = norm === 'times-gradient' ? [gradient] : null
        const got = read(call('espalier::unit_norms', [[weight], table, units, norm, gradients]) as Tensor)
        const [wanted, size] = [new Float64Array(units), new Float64Array(units)]
        let at = 0
        for (const index of indices(shape)) {
          const own = value(at++)
          for (let d = 0; d < index.length; d++) {
            for (const unit of met[d]![index[d]!]!) {
              wanted[unit]! += own
              size[unit]! += Math.abs(own)
            }
          }
        }
        got.forEach((sum, unit) => {
          expect(Math.abs(sum - wanted[unit]!), `${norm} of unit ${unit}`).toBeLessThanOrEqual(1e-14 * size[unit]!)
        })
      }
    })
  })

  it.each([
    { momentum: 0, nesterov: false, decoupled: false },
    { momentum: 0.9, nesterov: false, decoupled: false },
    { momentum: 0.9, nesterov: true, decoupled: false },
    { momentum: 0.9, nesterov: false, decoupled: true },
  ])('sgd_ steps twice with %o', ({ momentum, nesterov, decoupled }) => {
    scope(() => {
      const { weight, gradient, own, layout, arena } = given('float32')
      const [lr, decay] = [0.1, 0.01]
      let w = read(weight)
      const g = read(gradient)
      let v = new Float64Array(w.length)
      const velocity = tensorOf(v, shape, 'float32', memory)
      for (let step = 0; step < 2; step++) {
        const kept = momentum > 0 ? [velocity] : []
        call('espalier::sgd_', [[weight], [gradient], kept, layout, arena, lr, momentum, decay, nesterov, decoupled])
        const full = g.map((x, i) => x + (decay + (decoupled ? 0 : own[i]!)) * w[i]!)
        v = full.map((x, i) => momentum * v[i]! + x)
        w = w.map((x, i) => {
          const move = nesterov ? full[i]! + momentum * v[i]! : v[i]!
          return x - (decoupled ? lr * own[i]! * x : 0) - lr * move
        })
      }
      expectClose(read(weight), w, 1e-6)
      if (momentum > 0) expectClose(read(velocity), v, 1e-6)
    })
  })

  it.each([true, false])('adamw_ steps twice, decoupled %s', (decoupled) => {
    scope(() => {
      const { weight, gradient, own, layout, arena } = given('float32')
      const [lr, beta1, beta2, eps, decay] = [0.01, 0.9, 0.99, 1e-8, 0.1] as const
      let w = read(weight)
      const g = read(gradient)
      let m = new Float64Array(w.length)
      let v = new Float64Array(w.length)
      const moments = [m, v].map((zeros) => tensorOf(zeros, shape, 'float32', memory)) as [Tensor, Tensor]
      for (let step = 1; step <= 2; step++) {
        const [mean, square] = moments
        const settings = [step, lr, beta1, beta2, eps, decay, decoupled]
        call('espalier::adamw_', [[weight], [gradient], [mean], [square], layout, arena, ...settings])
        const full = g.map((x, i) => x + (decoupled ? 0 : own[i]! * w[i]!))
        m = m.map((x, i) => beta1 * x + (1 - beta1) * full[i]!)
        v = v.map((x, i) => beta2 * x + (1 - beta2) * full[i]! ** 2)
        w = w.map((x, i) => {
          const kept = x * (1 - lr * (decay + (decoupled ? own[i]! : 0)))
          return kept - (lr * m[i]!) / (1 - beta1 ** step) / (Math.sqrt(v[i]! / (1 - beta2 ** step)) + eps)
        })
      }
      expectClose(read(weight), w, 1e-6)
      expectClose(read(moments[0]), m, 1e-6)
      expectClose(read(moments[1]), v, 1e-6)
    })
  })
})

describe('many tensors in one call', () => {
  it('go as each alone, of several dtypes, in chunks, whatever the number of threads', () => {
    scope(() => {
      const cases = Object.values(CASES).slice(0, 8)
      const tensors: Tensor[] = []
      const slices: Slice[] = []
      let units = 0
      const random = new Random(6)
      cases.forEach((one, t) => {
        tensors.push(tensorOf(normal(random, numel(one.shape)), one.shape, t % 2 ? 'float64' : 'float32', one.memory))
        const own = slicesOf(one, t, units)
        slices.push(...own.slices)
        units = own.units
      })
      const reg = Float32Array.from({ length: units }, () => random.uniform())
      const { layout, arena } = plan(tensors, slices, reg)
      const gradients = tensors.map((tensor) => call('aten::zeros_like', [tensor]) as Tensor)
      call('espalier::reg_apply_', [gradients, tensors, layout, arena])
      tensors.forEach((tensor, t) => {
        const shape = cases[t]!.shape
        const own = coefficients(
          shape,
          slices.filter(([of]) => of === t),
          reg,
        )
        expectClose(
          read(gradients[t]!),
          read(tensor).map((w, i) => own[i]! * w),
          3e-7,
        )
      })
    })
  })

  it('without gradients take those that the weights have; a penalised weight without one has zero', () => {
    scope(() => {
      const weights = [1, 2, 3].map((value) => Tensor.full([2, 2], value, { requiresGrad: true })) as [
        Tensor,
        Tensor,
        Tensor,
      ]
      weights[0].grad = Tensor.full([2, 2], 0.5)
      const { layout, arena } = plan(
        weights,
        [0, 1].flatMap((t) => slicesOf({ shape: [2, 2], dims: [0] }, t).slices),
        Float32Array.of(1, 1),
      )
      const values = () => weights.map((each) => (each.data() as Float32Array)[0])
      const gradients = () => weights.map(({ grad }) => (grad === null ? null : (grad.data() as Float32Array)[0]))
      call('espalier::sgd_', [weights, [], [], layout, arena, 0.5], { noGrad: true })
      expect(values()).toEqual([0.25, 1, 3])
      expect(gradients()).toEqual([0.5, null, null])
      call('espalier::reg_apply_', [[], weights, layout, arena], { noGrad: true })
      expect(gradients()).toEqual([0.75, 1, null])
    })
  })

  it('take a gradient whose memory is ordered otherwise', () => {
    scope(() => {
      const one = CASES['a convolution']!
      const { slices, units } = slicesOf(one)
      const reg = new Float32Array(units).fill(0.25)
      const weight = tensorOf(normal(new Random(1), numel(one.shape)), one.shape, 'float32')
      const gradient = tensorOf(new Float64Array(numel(one.shape)), one.shape, 'float32', 'channels_last')
      const { layout, arena } = plan([weight], slices, reg)
      call('espalier::reg_apply_', [[gradient], [weight], layout, arena])
      expectClose(
        read(gradient),
        read(weight).map((w) => 0.5 * w),
        0,
      )
    })
  })
})

describe('reg_grow_', () => {
  const grown = (sums: number[], groups: number[][], reg = sums.map(() => 0)) =>
    scope(() => {
      const own = Tensor.from(reg, [reg.length], { dtype: 'float32' })
      const skipped = Tensor.zeros([groups.length], { dtype: 'int32' })
      const table = Tensor.from(Int32Array.from(groups.flat()), [groups.length, 2])
      const all = Tensor.from(sums, [sums.length], { dtype: 'float32' })
      const importance = call('espalier::reg_grow_', [own, skipped, all, table, 0.25, 0.5]) as Tensor
      return { reg: [...read(own)], skipped: [...read(skipped)], importance: [...read(importance)] }
    })

  it('raises by delta * (max I - I) / (max I - min I), group by group, up to the ceiling', () => {
    const { reg, importance } = grown(
      [1, 3, 2, 40, 20],
      [
        [0, 3],
        [3, 2],
      ],
    )
    expect(importance).toEqual([0.5, 1.5, 1, 40 / 30, 20 / 30].map(Math.fround))
    expect(reg).toEqual([0.25, 0, 0.125, 0, 0.25])
    expect(grown([1, 3], [[0, 2]], [0.4, 0.5]).reg).toEqual([0.5, 0.5])
  })

  it('leaves ties, a group of one unit and a group of zeros as they are', () => {
    expect(
      grown(
        [2, 2, 5, 0, 0],
        [
          [0, 2],
          [2, 1],
          [3, 2],
        ],
      ).reg,
    ).toEqual([0, 0, 0, 0, 0])
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('skips and counts a group with a %s, and only that', (broken) => {
    const { reg, skipped } = grown(
      [1, broken, 1, 3],
      [
        [0, 2],
        [2, 2],
      ],
    )
    expect(reg).toEqual([0, 0, 0.25, 0])
    expect(skipped).toEqual([1, 0])
  })
})

describe('what does not fit is refused', () => {
  const refused = (words: RegExp) =>
    expect.objectContaining({ code: 'ERR_TORCH', message: expect.stringMatching(words) })
  const weight = () => Tensor.zeros([2, 3])
  const layout = (...fields: number[]) => Tensor.from(BigInt64Array.from(fields, BigInt), [fields.length / 4, 4])

  it('a slice of a tensor, dimension, coordinate or unit that is not there', () => {
    for (const slice of [
      [1, 0, 0, 0, 1],
      [0, 2, 0, 0, 1],
      [0, 0, 2, 0, 1],
      [0, 0, 0, 1, 1],
      [0, 0, -1, 0, 1],
    ]) {
      const table = Tensor.from(Int32Array.from(slice), [1, 5])
      expect(() => call('espalier::reg_plan', [[weight()], table, 1])).toThrow(refused(/slice 0 .* is not there/))
    }
  })
  it('a layout that leads out of the arena or the tensor', () => {
    const arena = Tensor.zeros([4])
    for (const fields of [
      [2, 3, 3, -1],
      [2, 3, -1, 2],
      [3, 3, -1, -1],
      [2, 3, -2, -1],
    ]) {
      const apply = () => call('espalier::reg_apply_', [[weight()], [weight()], layout(...fields), arena])
      expect(apply).toThrow(refused(/layout of tensor 0/))
    }
  })
  it('gradients of another shape or dtype, or fewer of them', () => {
    const fits = layout(2, 3, -1, -1)
    const arena = Tensor.zeros([0])
    const apply = (gradients: Tensor[]) => () => call('espalier::reg_apply_', [gradients, [weight()], fits, arena])
    expect(apply([Tensor.zeros([3, 2])])).toThrow(refused(/gradient .* doesn't go with the weight/))
    expect(apply([Tensor.zeros([2, 3], { dtype: 'float64' })])).toThrow(refused(/doesn't go with/))
    expect(apply([weight(), weight()])).toThrow(refused(/there are 2 gradients for 1 weights/))
  })
  it('an index beyond the arena', () => {
    const [arena, reg] = [Tensor.zeros([1]), Tensor.zeros([2])]
    const ints = (...values: number[]) => Tensor.from(Int32Array.from(values), [values.length])
    const scatter = (begin: Tensor, units: Tensor) => () => call('espalier::reg_scatter_', [arena, reg, begin, units])
    expect(scatter(ints(0, 1), ints(2))).toThrow(refused(/index 2 isn't below 2/))
    expect(scatter(ints(0, 2), ints(1))).toThrow(refused(/row starts must rise from 0 to 1/))
    expect(scatter(ints(0), ints(1))).toThrow(refused(/there must be 2 row starts/))
  })
  it('weights with gaps, and those that are no floating-point numbers', () => {
    const gaps = call('aten::slice.Tensor', [Tensor.zeros([2, 4]), 1, 0, 3]) as Tensor
    const table = Tensor.from(Int32Array.of(0, 0, 0, 0, 1), [1, 5])
    expect(() => call('espalier::reg_plan', [[gaps], table, 1])).toThrow(refused(/has gaps or overlaps/))
    const whole = Tensor.zeros([2, 3], { dtype: 'int32' })
    const apply = () => call('espalier::reg_apply_', [[whole], [whole], layout(2, 3, -1, -1), Tensor.zeros([0])])
    expect(apply).toThrow(refused(/must be float32, float64, float16 or bfloat16/))
  })
})
