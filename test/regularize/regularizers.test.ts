import { afterEach, describe, expect, it } from 'vitest'
import { greg1, growing } from '../../lib/regularize/index.js'
import { call, scope, Tensor } from '../../lib/torch/index.js'
import { type Reference, reference, startGradient } from '../fixtures/growing-reg.js'
import { handMade } from '../support/analysis.js'
import { attached, disposables, dispose, gradientOf, small } from './support.js'

afterEach(dispose)

/** Parameters as tensors with the reference's starting gradients. */
function parametersOf({ weights }: Reference): Map<string, Tensor> {
  return new Map(
    [...weights].map(([name, { shape, data }], k) => {
      const parameter = Tensor.from(data, shape, { requiresGrad: true })
      parameter.grad = Tensor.from(startGradient(k, data.length), shape)
      disposables.push(parameter)
      return [name, parameter]
    }),
  )
}

describe.each(['toy_resnet', 'toy_concat', 'odd_gate_param'])('growing on the tensors of %s', (model) => {
  it('gives the gradients of the reference after three updates and one application', async () => {
    const given = reference(model, { penalised: 'as the peer' })
    const parameters = parametersOf(given)
    const regularizer = await growing({ reg: 1e-4, deltaReg: 1e-4, updateEvery: 1000 }).attach({
      ...{ model: { parameters: () => parameters }, groups: handMade(given.groups), iterations: 1000 },
    })
    disposables.push(regularizer)
    for (let update = 0; update < 3; update++) await regularizer.update()
    await regularizer.apply()
    for (const [name, parameter] of parameters) {
      const norm = /(^|\.)(bn\d?|shortcut\.1)\./.test(name)
      const expected = (norm ? given.bnFixed : given.asShipped).get(name)!
      gradientOf(parameter).forEach((g, i) => {
        expect(Math.abs(g - expected[i]!), `${name}[${i}]`).toBeLessThanOrEqual(1e-6 * Math.abs(expected[i]!) + 3e-8)
      })
    }
  })
})

describe('greg1', () => {
  const removed = [{ group: 0, units: [1] }]

  it('raises the penalty linearly over the first part of the phase, every so many iterations, then holds it', async () => {
    const { context } = small()
    const regularizer = await attached(
      greg1({ ceiling: 2, updateEvery: 5, growFraction: 0.4 }).attach({ ...context, removed }),
    )
    const reg: number[] = []
    for (let i = 0; i < 100; i++) {
      await regularizer.apply()
      reg.push(regularizer.state.reg[0]![1]!)
      expect(regularizer.state.reg[0]![0]).toBe(0)
    }
    // 40 iterations of growth in 8 steps
    expect(reg.slice(0, 11)).toEqual([0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25, 0.25, 0.5, 0.5])
    expect(reg.slice(34, 40)).toEqual([1.75, 1.75, 1.75, 1.75, 1.75, 2])
    expect(new Set(reg.slice(39))).toEqual(new Set([2]))
  })

  it('adds reg * w to every parameter slice of the chosen units, exactly once per call', async () => {
    const { context, parameters, clear } = small()
    const regularizer = await attached(
      greg1({ ceiling: 0.5, updateEvery: 100, growFraction: 1 }).attach({ ...context, removed }),
    )
    await regularizer.update()
    clear()
    const a = parameters.get('a.weight')!
    a.grad = Tensor.from([10, 20, 30, 40], [2, 2], { dtype: 'float32' })
    await regularizer.apply()
    expect(Array.from(gradientOf(a))).toEqual([10, 20, 31.5, 42])
    // no gradient yet: the loss gradient is zero
    expect(Array.from(gradientOf(parameters.get('a.bias')))).toEqual([0, 3])
    expect(Array.from(gradientOf(parameters.get('b.weight')))).toEqual([0, 4])
    await regularizer.apply()
    expect(Array.from(gradientOf(a))).toEqual([10, 20, 33, 44])
    expect(Array.from(a.data() as Float32Array)).toEqual([1, 2, 3, 4])
  })

  it('may be attached, updated and applied inside of scopes', async () => {
    const { context, parameters, clear } = small()
    clear()
    const regularizer = await scope(() => greg1({ updateEvery: 50, growFraction: 1 }).attach({ ...context, removed }))
    disposables.push(regularizer)
    await scope(() => regularizer.update())
    await scope(() => regularizer.apply())
    expect(Array.from(gradientOf(parameters.get('a.weight')))).toEqual([0, 0, 1.5, 2])
  })

  it('needs chosen units that exist, and a phase of at least one growth step', async () => {
    const { context } = small()
    const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    await expect(greg1().attach(context)).rejects.toEqual(refused)
    await expect(greg1().attach({ ...context, removed: [{ group: 0, units: [2] }] })).rejects.toEqual(refused)
    await expect(greg1().attach({ ...context, removed: [{ group: 1, units: [0] }] })).rejects.toEqual(refused)
    await expect(greg1({ updateEvery: 101 }).attach({ ...context, removed })).rejects.toEqual(refused)
    expect(() => greg1({ growFraction: 0 })).toThrow(refused)
    expect(() => greg1({ updateEvery: 2.5 })).toThrow(refused)
  })

  it('is refused when it would diverge, by the largest coefficient of any element', async () => {
    const { context } = small()
    const warnings: string[] = []
    const stepping = { lr: 0.1, momentum: 0.9 }
    const attach = (ceiling: number) =>
      attached(greg1({ ceiling }).attach({ ...context, removed, stepping, onWarning: (text) => warnings.push(text) }))
    await attach(18)
    expect(warnings).toEqual([])
    await attach(20)
    expect(warnings).toHaveLength(1)
    await expect(attach(39)).rejects.toEqual(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})

describe('growing', () => {
  it('advances every so many iterations and on update()', async () => {
    const { context } = small()
    const regularizer = await attached(growing({ updateEvery: 3 }).attach(context))
    const updates: number[] = []
    for (let i = 0; i < 7; i++) {
      await regularizer.apply()
      updates.push(regularizer.state.updates)
    }
    expect(updates).toEqual([0, 0, 1, 1, 1, 2, 2])
    await regularizer.update()
    expect(regularizer.state.updates).toBe(3)
    expect(regularizer.state.iteration).toBe(7)
  })

  it('skips and counts a group with a NaN, and goes on when it is gone', async () => {
    const { context, parameters } = small()
    const regularizer = await attached(growing({ reg: 0, deltaReg: 0.25 }).attach(context))
    const weight = parameters.get('b.weight')!
    const set = (values: number[]) =>
      call('aten::copy_', [weight, Tensor.from(values, [1, 2], { dtype: 'float32' })], { noGrad: true })
    set([Number.NaN, 8])
    await regularizer.update()
    expect(regularizer.state).toMatchObject({ reg: [[0, 0]], skipped: [1], updates: 1 })
    set([7, 8])
    await regularizer.update()
    expect(regularizer.state).toMatchObject({ reg: [[expect.closeTo(0.25, 6), 0]], skipped: [1], updates: 2 })
  })

  it('goes on from a saved state as if it had not stopped', async () => {
    const { context } = small()
    const whole = await attached(growing({ updateEvery: 2 }).attach(context))
    for (let i = 0; i < 5; i++) await whole.apply()
    const saved = JSON.parse(JSON.stringify(whole.state))
    const resumed = await attached(growing({ updateEvery: 2 }).attach({ ...context, state: saved }))
    for (const regularizer of [whole, resumed]) for (let i = 0; i < 3; i++) await regularizer.apply()
    expect(resumed.state).toEqual(whole.state)
    const other = { ...saved, reg: [[1]] }
    await expect(growing().attach({ ...context, state: other })).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })

  it('is plain per-unit weight decay when nothing grows, in float64 too', async () => {
    const { context, parameters } = small()
    const w = Tensor.from(Float64Array.of(1, 2, 3, 4), [2, 2], { requiresGrad: true })
    w.grad = Tensor.from(Float64Array.of(0, 0, 0, 1), [2, 2])
    disposables.push(w)
    parameters.set('a.weight', w)
    const regularizer = await attached(growing({ reg: 0.5, deltaReg: 0 }).attach(context))
    await regularizer.update()
    await regularizer.apply()
    expect(w.grad.dtype).toBe('float64')
    expect(Array.from(w.grad.data() as Float64Array)).toEqual([0.5, 1, 1.5, 3])
  })
})
