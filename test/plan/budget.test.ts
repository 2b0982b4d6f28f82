import { describe, expect, it } from 'vitest'
import { shortestWithin } from '../../lib/plan/budgets/budget.js'
import { BYTES, COUNT, TIME, targetOf, type Unit } from '../../lib/plan/budgets/target.js'

describe('the shortest prefix within a budget', () => {
  it('of a cost that never rises is the first that is within, whatever the target', () => {
    const costs = [10, 9, 9, 7, 4, 4, 1]
    for (let target = 0; target <= 10; target++) {
      const first = costs.findIndex((cost) => cost <= target)
      expect(shortestWithin(6, (k) => costs[k]! <= target, true)).toBe(first < 0 ? undefined : first)
    }
  })

  it('of a cost that rises between falls is within the target', () => {
    // A width that is no multiple of 8 is slow.
    const cost = (k: number) => 100 - k + (k % 8 === 0 ? 0 : 20)
    for (const target of [100, 92, 75, 50, 4]) {
      const found = shortestWithin(96, (k) => cost(k) <= target, false)
      expect(found, `target ${target}`).toBeDefined()
      expect(cost(found as number)).toBeLessThanOrEqual(target)
    }
  })

  it('is none where nothing that was looked at is within', () => {
    expect(shortestWithin(50, (k) => 100 - k <= 49, true)).toBeUndefined()
    expect(shortestWithin(50, (k) => 100 + k <= 49, false)).toBeUndefined()
  })

  it('is the empty one where the whole is within', () => {
    expect(shortestWithin(50, (k) => 100 - k <= 100, true)).toBe(0)
    expect(shortestWithin(50, (k) => 100 - k <= 100, false)).toBe(0)
  })
})

describe('a target', () => {
  it.each([
    [0.5, COUNT, 500],
    [1, COUNT, 1000],
    ['50%', COUNT, 500],
    ['0.25', COUNT, 250],
    [4e8, COUNT, 4e8],
    ['400M', COUNT, 4e8],
    ['1.5k', COUNT, 1500],
    ['10MB', BYTES, 10_000_000],
    ['512KiB', BYTES, 524_288],
    ['300 B', BYTES, 300],
    ['8ms', TIME, 8],
    ['0.8ms', TIME, 0.8],
    ['250us', TIME, 0.25],
    ['1.2 s', TIME, 1200],
    [0.8, TIME, 800],
  ])('%j is a part of 1000, or an amount', (target, unit, amount) => {
    expect(targetOf(target, unit, 1000)).toBeCloseTo(amount, 9)
  })

  it.each<[unknown, Unit]>([
    [0, COUNT],
    [-1, COUNT],
    [1.5, COUNT],
    ['1.5', COUNT],
    ['150%', COUNT],
    ['400m', COUNT],
    ['half', COUNT],
    ['', COUNT],
    [Number.NaN, COUNT],
    [Number.POSITIVE_INFINITY, COUNT],
    // Of bytes or of megabytes, milliseconds or seconds: the unit says.
    [10, BYTES],
    ['10', BYTES],
    ['10mb', BYTES],
    [8, TIME],
    ['8', TIME],
    ['-8ms', TIME],
    ['1e999ms', TIME],
    [{ ms: 8 }, TIME],
    [null, TIME],
  ])('%j is none', (target, unit) => {
    expect(targetOf(target, unit, 1000)).toBeUndefined()
  })

  it.each([
    [1234, BYTES, '1.23 kB'],
    [999, BYTES, '999 B'],
    [123_456_789, BYTES, '123 MB'],
    [8.256, TIME, '8.26 ms'],
    [1234.5, TIME, '1235 ms'],
    [6932.4, COUNT, '6,932'],
  ])('an amount of %d is shown as people read it', (amount, unit, words) => {
    expect(unit.show(amount)).toBe(words)
  })
})
