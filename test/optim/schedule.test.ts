import { describe, expect, it } from 'vitest'
import { Random } from '../../lib/base/random.js'
import { constant, cosine, largestFactor, step } from '../../lib/optim/schedule.js'

const at = (iteration: number, iterations: number, epoch = 0, epochs = 1) => ({ iteration, iterations, epoch, epochs })

describe('learning rate schedules', () => {
  it('constant stays at 1', () => {
    expect(constant()(at(7, 10))).toBe(1)
  })

  it('cosine goes from 1 over the middle to the floor', () => {
    const schedule = cosine({ floor: 0.1 })
    expect(schedule(at(0, 100))).toBe(1)
    expect(schedule(at(50, 100))).toBeCloseTo(0.55, 12)
    expect(schedule(at(100, 100))).toBeCloseTo(0.1, 12)
    expect(cosine()(at(25, 100))).toBeCloseTo((1 + Math.SQRT1_2) / 2, 12)
  })

  it('cosine may hold before it falls', () => {
    const schedule = cosine({ hold: 0.6, floor: 0.1 })
    expect([0, 30, 60].map((k) => schedule(at(k, 100)))).toEqual([1, 1, 1])
    expect(schedule(at(80, 100))).toBeCloseTo(0.55, 12)
    expect(schedule(at(100, 100))).toBeCloseTo(0.1, 12)
  })

  it('cosine may rise before it holds and falls', () => {
    const schedule = cosine({ warmup: 0.2, hold: 0.4 })
    expect([0, 9, 19, 20, 60].map((k) => schedule(at(k, 100)))).toEqual([1 / 21, 10 / 21, 20 / 21, 1, 1])
    expect(schedule(at(80, 100))).toBeCloseTo(0.5, 12)
    expect(largestFactor(schedule, 5, 100)).toBe(1)
  })

  it('step multiplies after every so many epochs', () => {
    const schedule = step({ every: 3, gamma: 0.5 })
    expect([0, 2, 3, 5, 6].map((epoch) => schedule(at(0, 1, epoch, 9)))).toEqual([1, 1, 0.5, 0.5, 0.25])
  })

  it('the largest factor is the maximum over the phase, for any schedule', () => {
    expect(largestFactor(cosine(), 5, 50)).toBe(1)
    expect(largestFactor(({ epoch }) => epoch, 5, 50)).toBe(4)
    expect(largestFactor(({ iteration }) => iteration, 5, 50)).toBe(49)
  })

  it('refuses options out of their ranges', () => {
    const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    expect(() => step({ every: 0 })).toThrow(refused)
    expect(() => cosine({ floor: 2 })).toThrow(refused)
    expect(() => cosine({ floor: Number.NaN })).toThrow(refused)
    for (const part of [1, -0.1]) {
      expect(() => cosine({ hold: part })).toThrow(refused)
      expect(() => cosine({ warmup: part })).toThrow(refused)
    }
    expect(() => cosine({ hold: 0.6, warmup: 0.4 })).toThrow(refused)
  })
})

describe('the random generator', () => {
  it('repeats itself for a seed and differs between seeds and streams', () => {
    const draw = (seed: number, stream?: number) =>
      Array.from(new Random(seed, stream).shuffle(new Int32Array(32).map((_, i) => i)))
    expect(draw(1)).toEqual(draw(1))
    expect(new Set([draw(1), draw(2), draw(1, 1), draw(1, 2)].map(String)).size).toBe(4)
    expect([...draw(1)].sort((a, b) => a - b)).toEqual(Array.from({ length: 32 }, (_, i) => i))
  })

  it('goes on from a saved state', () => {
    const random = new Random(3)
    random.next()
    const copy = new Random(JSON.parse(JSON.stringify(random.state)))
    expect([copy.next(), copy.next()]).toEqual([random.next(), random.next()])
  })

  it('is uniform: every value of a small range about equally often', () => {
    const random = new Random(5)
    const counts = [0, 0, 0]
    for (let i = 0; i < 30_000; i++) counts[random.integer(-1, 1) + 1]!++
    // standard deviation of each count: sqrt(30000 * 1/3 * 2/3) = 82
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * 82)
    const mean = Array.from({ length: 10_000 }, () => random.uniform()).reduce((a, b) => a + b) / 10_000
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * 0.00289)
  })
})
