import { describe, expect, it } from 'vitest'
import { shortestWithin } from '../../lib/plan/budgets/budget.js'

describe('the shortest prefix within a budget', () => {
  it('of a cost that never rises is the first that is within, whatever the target', () => {
    const costs = [10, 9, 9, 7, 4, 4, 1]
    for (let target = 0; target <= 10; target++) {
      const first = costs.findIndex((cost) => cost <= target)
      expect(shortestWithin(6, (k) => costs[k] as number, target, true)).toBe(first < 0 ? undefined : first)
    }
  })

  it('of a cost that rises between falls is within the target', () => {
    // A width that is no multiple of 8 is slow.
    const cost = (k: number) => 100 - k + (k % 8 === 0 ? 0 : 20)
    for (const target of [100, 92, 75, 50, 4]) {
      const found = shortestWithin(96, cost, target, false)
      expect(found, `target ${target}`).toBeDefined()
      expect(cost(found as number)).toBeLessThanOrEqual(target)
    }
  })

  it('is none where nothing that was looked at is within', () => {
    expect(shortestWithin(50, (k) => 100 - k, 49, true)).toBeUndefined()
    expect(shortestWithin(50, (k) => 100 + k, 49, false)).toBeUndefined()
  })

  it('is the empty one where the whole is within', () => {
    expect(shortestWithin(50, (k) => 100 - k, 100, true)).toBe(0)
    expect(shortestWithin(50, (k) => 100 - k, 100, false)).toBe(0)
  })
})
