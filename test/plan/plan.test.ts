import { describe, expect, it } from 'vitest'
import { EspalierError } from '../../lib/base/errors.js'
import { analyse } from '../../lib/groups/analyse.js'
import type { Analysis } from '../../lib/groups/index.js'
import { countOperators, countSize } from '../../lib/measure/count.js'
import { approximations } from '../../lib/plan/approximate.js'
import type { BudgetOption } from '../../lib/plan/budgets/index.js'
import { describePlan, makePlan, removedUnits } from '../../lib/plan/plan.js'
import { RecordBuilder } from '../support/build.js'

/** Two hidden layers of 10 and 4 units. */
function twoLayers(): Analysis {
  const b = new RecordBuilder()
  return analyse(b.record(b.linear('c', b.linear('b', b.linear('a', b.input(1, 3), 10), 4), 2)))
}

const ascending = (analysis: Analysis) =>
  new Map(analysis.groups.map((g) => [g.id, Array.from({ length: g.size }, (_, u) => u + g.id / 10)]))

function codeOf(work: () => unknown): { code: string; message: string } {
  try {
    work()
  } catch (error) {
    if (error instanceof EspalierError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a plan by ratio', () => {
  it('removes floor(ratio * n) of each group, the weakest first', () => {
    const analysis = twoLayers()
    const plan = makePlan(analysis, ascending(analysis), { ratio: 0.3 })
    expect(plan.removed).toEqual([
      { group: 0, units: [0, 1, 2] },
      { group: 1, units: [0] },
    ])
    expect(plan.keep['b.weight']).toEqual({ 0: [1, 2, 3], 1: [3, 4, 5, 6, 7, 8, 9] })
  })

  it('lets ties go by the lower index', () => {
    const analysis = twoLayers()
    const equal = new Map(analysis.groups.map((g) => [g.id, new Array(g.size).fill(1)]))
    expect(makePlan(analysis, equal, { ratio: 0.5 }).removed.map((r) => r.units)).toEqual([
      [0, 1, 2, 3, 4],
      [0, 1],
    ])
  })

  it('ranks all units together when asked to', () => {
    const analysis = twoLayers()
    // group 0 scores 0..9, group 1 scores 0.1, 1.1, 2.1, 3.1: the seven weakest of fourteen
    const plan = makePlan(analysis, ascending(analysis), { ratio: 0.5, ranking: 'global' })
    expect(plan.removed).toEqual([
      { group: 0, units: [0, 1, 2, 3] },
      { group: 1, units: [0, 1, 2] },
    ])
  })

  it('always keeps the minimum of a group, and one unit at least', () => {
    const analysis = twoLayers()
    const units = (minKeep: number) =>
      makePlan(analysis, ascending(analysis), { ratio: 0.99, minKeep }).removed.map((r) => r.units.length)
    expect(units(0.1)).toEqual([9, 3])
    expect(units(0.5)).toEqual([5, 2])
    expect(units(0.01)).toEqual([9, 3])
  })

  it('takes a ratio of each group from a function', () => {
    const analysis = twoLayers()
    const plan = makePlan(analysis, ascending(analysis), {
      ratio: (g) => (g.scopes.includes('b') && g.size === 4 ? 0.5 : undefined),
    })
    expect(plan.removed).toEqual([{ group: 1, units: [0, 1] }])
  })

  it('removes whole multiples in grouped convolutions, and convolution groups only on request', () => {
    const b = new RecordBuilder()
    const x = b.conv('grouped', b.conv('reduce', b.input(1, 3, 4, 4), 12), 8, { groups: 4 })
    const analysis = analyse(b.record(b.conv('head', x, 2)))
    const plan = makePlan(analysis, ascending(analysis), { ratio: 0.5 })
    expect(plan.removed.map(({ group }) => analysis.groups[group]?.kind)).toEqual(['channels', 'channels'])
    expect(plan.keep['reduce.weight']?.[0]).toHaveLength(8)
    const outer = makePlan(analysis, ascending(analysis), {
      ratio: (g) => (g.kind === 'conv-groups' ? 0.25 : undefined),
    })
    expect(outer.keep['reduce.weight']?.[0]).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11])
  })

  it.each([1, -0.1, Number.NaN, 2])('refuses a ratio of %s', (ratio) => {
    const analysis = twoLayers()
    const { code, message } = codeOf(() => makePlan(analysis, ascending(analysis), { ratio }))
    expect(code).toBe('ERR_INVALID_ARGUMENT')
    expect(message).toContain(String(ratio))
  })

  it('refuses a score that is not finite, with its group', () => {
    const analysis = twoLayers()
    const scores = ascending(analysis)
    scores.get(1)?.splice(2, 1, Number.NaN)
    expect(codeOf(() => makePlan(analysis, scores, { ratio: 0.5 })).code).toBe('ERR_NOT_FINITE')
  })

  it('says what froze a model with nothing to prune', () => {
    const b = new RecordBuilder()
    const analysis = analyse(b.record(b.linear('only', b.input(1, 3), 4)))
    expect(codeOf(() => makePlan(analysis, new Map())).code).toBe('ERR_NOTHING_PRUNABLE')
  })

  it('is inverted by removedUnits', () => {
    const analysis = twoLayers()
    const plan = makePlan(analysis, ascending(analysis), { ratio: 0.5 })
    expect(describePlan(analysis, removedUnits(analysis, plan))).toEqual(plan)
  })

  it.each([
    ['describePlan', describePlan],
    ['countSize', countSize],
    ['countOperators', countOperators],
    ['approximations', approximations],
  ])('%s refuses the units of another model', (_, ask: (analysis: Analysis, removed: Uint8Array) => unknown) => {
    expect(() => ask(twoLayers(), new Uint8Array(14))).not.toThrow()
    for (const length of [1, 13, 15]) {
      const error = codeOf(() => ask(twoLayers(), new Uint8Array(length)))
      expect(error.code).toBe('ERR_INVALID_ARGUMENT')
      expect(error.message).toContain(`14 units`)
    }
  })
})

describe('a plan by budget', () => {
  it.each(['macs', 'params'] as const)('meets %s at or below the target, within one unit', (what) => {
    const analysis = twoLayers()
    const budget = what === 'macs' ? { macs: 0.6 } : { params: 0.6 }
    const plan = makePlan(analysis, ascending(analysis), { budget })
    const target = 0.6 * plan[what][0]
    expect(plan[what][1]).toBeLessThanOrEqual(target)
    // One unit back is more again: the plan is not longer than it need be.
    const removed = removedUnits(analysis, plan)
    const strongest = removed.lastIndexOf(1)
    removed[strongest] = 0
    const back = describePlan(analysis, removed)[what][1]
    expect(back).toBeGreaterThan(plan[what][1])
  })

  it('removes nothing for a budget of everything', () => {
    const analysis = twoLayers()
    expect(makePlan(analysis, ascending(analysis), { budget: { params: 1 } }).removed).toEqual([])
  })

  it('says the best possible when a budget cannot be met', () => {
    const analysis = twoLayers()
    const { code, message } = codeOf(() => makePlan(analysis, ascending(analysis), { budget: { params: 0.05 } }))
    expect(code).toBe('ERR_BUDGET')
    // 1 of 10 and 1 of 4 units kept: (3 + 1) + (1 + 1) + (2 + 2) = 10 of 94 parameters
    expect(message).toContain('10.6 %')
  })

  it.each([
    ["a ratio: 'ratio' and 'budget'", { ratio: 0.3 }],
    ["the local ranking: 'ranking' is 'local'", { ranking: 'local' } as const],
  ])('is not taken beside %s', (words, options) => {
    const analysis = twoLayers()
    const { code, message } = codeOf(() =>
      makePlan(analysis, ascending(analysis), { budget: { params: 0.5 }, ...options }),
    )
    expect(code).toBe('ERR_INVALID_ARGUMENT')
    expect(message).toContain(words.split(': ')[1])
  })

  it('is taken beside a function, which opens groups', () => {
    const analysis = twoLayers()
    const ratio = ({ id }: { id: number }) => (id === 0 ? 0.5 : undefined)
    const plan = makePlan(analysis, ascending(analysis), { budget: { params: 0.5 }, ratio })
    expect(plan.removed.map(({ group }) => group)).toEqual([0])
  })

  it('takes amounts, and meets all of several', () => {
    const analysis = twoLayers()
    const plan = (budget: BudgetOption) => makePlan(analysis, ascending(analysis), { budget })
    // 94 parameters of 4 bytes, 78 MACs.
    expect(plan({ params: 47 })).toEqual(plan({ params: 0.5 }))
    expect(plan({ params: '50%' })).toEqual(plan({ params: 0.5 }))
    expect(plan({ bytes: '188B' })).toEqual(plan({ params: 0.5 }))
    expect(plan({ bytes: 0.5 }).bytes).toEqual([376, 4 * plan({ params: 0.5 }).params[1]])
    const [tight, loose] = [plan({ macs: 0.3 }), plan({ params: 0.9 })]
    expect(tight.removed).not.toEqual(loose.removed)
    expect(plan({ macs: 0.3, params: 0.9 })).toEqual(tight)
    expect(plan({ macs: 0.9, params: 0.3 })).toEqual(plan({ params: 0.3 }))
    // More than there is asks for nothing.
    expect(plan({ params: 1000, macs: '1G' }).removed).toEqual([])
  })

  it('says of each of several the best possible', () => {
    const analysis = twoLayers()
    const budget = { params: 0.05, macs: 2, bytes: 0.9 }
    const { code, message } = codeOf(() => makePlan(analysis, ascending(analysis), { budget }))
    expect(code).toBe('ERR_BUDGET')
    // 1 of 10 and 1 of 4 units: 3 + 1 + 2 = 6 of 78 MACs
    expect(message).toBe(
      "the budget of 2.6 % (2) of the MACs can't be met: the best possible is 7.7 % (6); " +
        "the budget of 5.0 % (5) of the parameters can't be met: the best possible is 10.6 % (10)",
    )
  })

  it.each([
    [
      { bytes: 10 },
      "'budget.bytes' must be a part above 0 to 1, or a size with its unit, such as '10MB' or '512KiB', not 10",
    ],
    [
      { macs: 'half' },
      "'budget.macs' must be a part above 0 to 1, or a whole number above 1, such as 4e8 or '400M', not 'half'",
    ],
    [{}, "'budget' must be an object with one or more of macs, params, bytes, memory"],
  ])('%j is refused, with what it could be', (budget, words) => {
    const analysis = twoLayers()
    const { code, message } = codeOf(() => makePlan(analysis, ascending(analysis), { budget }))
    expect(code).toBe('ERR_INVALID_ARGUMENT')
    expect(message).toContain(words)
  })

  it.each([0, -1, 1.5, Number.NaN])('refuses a budget of %s', (macs) => {
    const analysis = twoLayers()
    expect(codeOf(() => makePlan(analysis, ascending(analysis), { budget: { macs } })).code).toBe(
      'ERR_INVALID_ARGUMENT',
    )
  })
})

describe('counting', () => {
  it('counts one multiply-add as one MAC', () => {
    const analysis = twoLayers()
    expect(countSize(analysis)).toEqual({ params: 3 * 10 + 10 + 10 * 4 + 4 + 4 * 2 + 2, macs: 3 * 10 + 10 * 4 + 4 * 2 })
  })

  it('counts grouped and transposed convolutions', () => {
    const b = new RecordBuilder()
    const x = b.conv('grouped', b.input(2, 8, 5, 5), 6, { groups: 2, kernel: 3 })
    const weight = b.parameter('up.weight', 6, 4, 2, 2)
    const args = { input: x, weight, bias: b.none(), groups: b.int(1) }
    const [y] = b.op('aten::conv_transpose2d', args, [[2, 4, 10, 10]], 'up')
    // each of 2*6*5*5 outputs reads 4 channels of 3*3; each of 2*6*5*5 inputs writes 4 channels of 2*2
    expect(countSize(analyse(b.record(y as number))).macs).toBe(2 * 6 * 25 * 4 * 9 + 2 * 6 * 25 * 4 * 4)
  })
})
