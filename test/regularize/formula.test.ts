import { describe, expect, it } from 'vitest'
import { groupL2, weightsFrom } from '../../lib/importance/index.js'
import { checkStability, stabilityBound } from '../../lib/optim/stability.js'
import { dimensionCoefficients, largestCoefficient } from '../../lib/regularize/coefficients.js'
import { growChosen, growGroup } from '../../lib/regularize/formula.js'
import { type Reference, reference, startGradient } from '../fixtures/growing-reg.js'

const f32 = (...values: number[]) => Float32Array.from(values)

describe('one growth step of a group', () => {
  it('grows by delta times the standardised importance: least important 1, most important 0', () => {
    const grown = growGroup(f32(0, 0, 0), [1, 2, 3], 0.5, 10)!
    expect(grown[0]).toBeCloseTo(0.5, 7)
    expect(grown[1]).toBeCloseTo(0.25, 7)
    expect(grown[2]).toBe(0)
  })

  it('never shrinks and stops at the ceiling', () => {
    let reg: Float32Array = f32(0.1, 0.1)
    for (let i = 0; i < 5; i++) reg = growGroup(reg, [1, 2], 0.25, 0.75)!
    expect(Array.from(reg)).toEqual([0.75, Math.fround(0.1)])
  })

  it.each([
    ['equal importances', [2, 2, 2]],
    ['one unit', [5]],
  ])('stays for %s', (_, importance) => {
    const reg = new Float32Array(importance.length).fill(0.25)
    expect(growGroup(reg, importance, 1, 10)).toEqual(reg)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('is skipped when the importance holds %s', (bad) => {
    expect(growGroup(f32(1, 1), [bad, 1], 1, 10)).toBeNull()
  })

  it('needs an importance for each penalty', () => {
    const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    for (const importance of [[], [1], [1, 2, 3]]) {
      expect(() => growGroup(f32(0, 0), importance, 1, 10)).toThrow(refused)
      expect(() => growChosen(f32(0, 0), importance, new Set([0]), 1, 0, 10)).toThrow(refused)
    }
  })

  it('computes in float32', () => {
    expect(growGroup(f32(1e-4), [1], 1e-4, 1)).toEqual(f32(1e-4))
    const importance = f32(0.3, 0.7, 1.1)
    const range = Math.fround(Math.fround(importance[2]! - importance[0]!) + Math.fround(1e-8))
    const s = Math.fround(Math.fround(importance[2]! - importance[1]!) / range)
    expect(growGroup(f32(0, 0, 0), importance, 1, 10)![1]).toBe(s)
  })
})

/** The gradients after three updates and one application, by the formula on plain arrays. */
async function gradients(given: Reference): Promise<Map<string, Float32Array>> {
  const { groups, weights } = given
  const scores = await groupL2()({ groups, weights: weightsFrom(weights) })
  let reg: Float32Array[] = groups.groups.map(({ size }) => new Float32Array(size).fill(1e-4))
  for (let update = 0; update < 3; update++) {
    reg = reg.map((r, g) => growGroup(r, scores.get(g)!, 1e-4, 1)!)
  }
  const coefficients = dimensionCoefficients(groups, reg)
  return new Map(
    [...weights].map(([name, { shape, data }], k) => {
      const grad = startGradient(k, data.length)
      for (const { dim, values } of coefficients.get(name) ?? []) {
        const inner = shape.slice(dim + 1).reduce((a, b) => a * b, 1)
        data.forEach((w, i) => {
          grad[i]! += values[Math.floor(i / inner) % values.length]! * w
        })
      }
      return [name, grad]
    }),
  )
}

const MODELS = ['toy_resnet', 'toy_concat', 'odd_gate_param']
const isNorm = (name: string) => /(^|\.)(bn\d?|shortcut\.1)\./.test(name)

describe.each(MODELS)('growing regularization of %s', (model) => {
  const given = reference(model, { penalised: 'as the peer' })

  it('equals the reference after each of three updates', async () => {
    const scores = await groupL2()({ groups: given.groups, weights: weightsFrom(given.weights) })
    for (const { id, size } of given.groups.groups) {
      let reg: Float32Array = new Float32Array(size).fill(1e-4)
      for (const expected of given.reg[id]!) {
        reg = growGroup(reg, scores.get(id)!, 1e-4, 1)!
        reg.forEach((r, unit) => {
          // max - I cancels: the reference's float32 rounding of I (6e-8) grows by max I / (max I - min I) in s
          expect(Math.abs(r / expected[unit]! - 1)).toBeLessThan(5e-6)
        })
      }
    }
  })

  it('equals as_shipped on convolution and linear rows and columns, bn_fixed on norm weights', async () => {
    const got = await gradients(given)
    for (const [name, grad] of got) {
      const expected = (isNorm(name) ? given.bnFixed : given.asShipped).get(name)!
      grad.forEach((g, i) => {
        expect(Math.abs(g - expected[i]!), `${name}[${i}]`).toBeLessThanOrEqual(1e-6 * Math.abs(expected[i]!) + 3e-8)
      })
    }
  })

  it('penalises more than the peer: exactly the biases, depthwise filters and raw parameters', async () => {
    const all = reference(model, { penalised: 'all' })
    const ours = new Set(dimensionCoefficients(all.groups, ones(all)).keys())
    const peer = new Set(dimensionCoefficients(given.groups, ones(given)).keys())
    const more = [...ours].filter((name) => !peer.has(name))
    expect([...peer].filter((name) => !ours.has(name))).toEqual([])
    expect(more.length).toBeGreaterThan(0)
    for (const name of more) expect(name).toMatch(/bias$|^pos$|^c2\.weight$/)
  })
})

const ones = ({ groups }: Reference) => groups.groups.map(({ size }) => new Float32Array(size).fill(1))

describe('the coefficient of an element', () => {
  const { groups } = reference('toy_resnet', { penalised: 'all' })

  it('is the sum over dimensions: rows of one group, columns of another', () => {
    const reg = groups.groups.map(({ size, id }) => new Float32Array(size).fill(id + 1))
    const byDim = new Map(
      dimensionCoefficients(groups, reg)
        .get('b1.conv1.weight')!
        .map((d) => [d.dim, d.values[0]]),
    )
    const idOf = (dim: number) =>
      groups.groups.find((group) => group.members.some((m) => m.name === 'b1.conv1.weight' && m.dim === dim))!.id
    expect(byDim).toEqual(new Map([0, 1].map((dim) => [dim, idOf(dim) + 1])))
    expect(idOf(0)).not.toBe(idOf(1))
  })

  it('is at most the largest coefficient', () => {
    expect(largestCoefficient(groups, ones({ groups } as Reference))).toBe(2)
  })

  it('leaves out parameters without any penalty', () => {
    const none = groups.groups.map(({ size }) => new Float32Array(size))
    expect(dimensionCoefficients(groups, none).size).toBe(0)
  })
})

describe('stability', () => {
  it('follows the momentum: heavy ball 2(1+m), Nesterov 2(1+m)/(1+2m)', () => {
    expect(stabilityBound({ lr: 1 })).toBe(2)
    expect(stabilityBound({ lr: 1, momentum: 0.9 })).toBeCloseTo(3.8, 12)
    expect(stabilityBound({ lr: 1, momentum: 0.9, nesterov: true })).toBeCloseTo(3.8 / 2.8, 12)
  })

  it.each([
    [0.9, false],
    [0.9, true],
    [0, false],
  ])('is where the iteration on a quadratic starts to diverge (momentum %f, nesterov %s)', (momentum, nesterov) => {
    const grows = (rate: number) => {
      let w = 1
      let v = 0
      for (let i = 0; i < 2000; i++) {
        const g = rate * w
        v = momentum * v + g
        w -= nesterov ? g + momentum * v : v
      }
      return Math.abs(w) > 1
    }
    const bound = stabilityBound({ lr: 1, momentum, nesterov })
    expect(grows(bound * 1.01)).toBe(true)
    expect(grows(bound * 0.99)).toBe(false)
  })

  it('refuses above the bound, warns above half, is silent below', () => {
    const warnings: string[] = []
    const check = (penalty: number, weightDecay = 0) =>
      checkStability(penalty, { lr: 1, momentum: 0.5, weightDecay }, (message) => warnings.push(message))
    check(1.4)
    expect(warnings).toEqual([])
    check(1.6)
    check(1.4, 0.2)
    expect(warnings).toHaveLength(2)
    expect(() => check(3.1)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    expect(() => check(Number.NaN)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})
