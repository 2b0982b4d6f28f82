import { criteria, groupL1, groupL2, type Prunable, prune, type ScriptModule, Tensor } from 'espalier'
import { type Weight, type WeightImportance, weightsFrom, weightsOf } from 'espalier/analysis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { made } from '../../lib/config/named.js'
import type { ChannelGroups } from '../../lib/groups/groups.js'
import { scoredMembers } from '../../lib/importance/criterion.js'
import { distance, ordered, prunableOf, REFERENCES, writtenOut } from './reference.js'

const CLOSE = 1e-6

describe.each(Object.entries(REFERENCES))('on the network %s', (name, { groups: references }) => {
  let prunable: Prunable
  let plain: Record<string, Weight>
  beforeAll(async () => {
    prunable = await prunableOf(name)
    const parameters = [...prunable.model.parameters()]
    plain = Object.fromEntries(
      parameters.map(([key, tensor]) => [key, { shape: tensor.shape, data: tensor.data() as Float32Array }]),
    )
  })
  afterAll(() => prunable.dispose())

  /** Group by group, in the order of the reference. */
  const scored = async (criterion: WeightImportance, weights = weightsOf(prunable.model), groups?: ChannelGroups) => {
    const scores = await criterion({ groups: groups ?? prunable.analysis, weights })
    return references.map((reference) => {
      const own = prunable.analysis.groups.find((group) => writtenOut(group) === ordered(reference.members))
      return scores.get(own!.id)!
    })
  }
  const criteriaOf = references[0]!.scores.map(([criterion], k) => [JSON.stringify(criterion), criterion, k] as const)
  const criterionOf = (named: (typeof criteriaOf)[number][1]) => made('importance', named) as WeightImportance

  it('there are the groups of the reference, and no others', () => {
    const written = prunable.analysis.groups.map(writtenOut)
    expect(written.sort()).toEqual(references.map(({ members }) => ordered(members)).sort())
  })

  it.each(criteriaOf)('%s equals the reference, natively and on plain data', async (_, named, k) => {
    for (const weights of [weightsOf(prunable.model), weightsFrom(plain)]) {
      const scores = await scored(criterionOf(named), weights)
      references.forEach((reference, g) => {
        expect(distance(scores[g]!, reference.scores[k]![1]), `group ${g}`).toBeLessThan(CLOSE)
      })
    }
  })

  it.each(criteriaOf)('a member that is missing is noticed by the reference of %s', async (_, named, k) => {
    for (const [g, reference] of references.entries()) {
      const own = prunable.analysis.groups.find((group) => writtenOut(group) === ordered(reference.members))!
      // Of bnScale only the scales count.
      const counts = named.name === 'bnScale' && own.members.some(({ use }) => use === 'norm-weight')
      const members = scoredMembers(own).filter(({ use }) => !counts || use === 'norm-weight')
      if (members.length === 1) continue
      // Of two units the distances are equal, and standardized scores 1 and -1, whatever they are made of.
      const alike = named.normalizer === 'standardize' || (named.name === 'fpgm' && named.normalizer === undefined)
      if (own.size === 2 && alike) continue
      for (const [m, missing] of members.entries()) {
        // The first alone, or the largest.
        if (named.reduction === 'first' && m > 0) continue
        if (named.reduction === 'max') continue
        const without = { ...own, members: own.members.filter((member) => member !== missing) }
        const groups = prunable.analysis.groups.map((group) => (group === own ? without : group))
        const scores = await scored(criterionOf(named), undefined, { ...prunable.analysis, groups })
        expect(distance(scores[g]!, reference.scores[k]![1]), missing.name).toBeGreaterThan(CLOSE)
      }
    }
  })

  it('another power, another reduction and another normalizer are noticed', async () => {
    for (const [, named, k] of criteriaOf.filter(([, { name }]) => name === 'lp')) {
      const { p = 2, reduction = 'mean', normalizer = 'mean' } = named as Parameters<typeof criteria.lp>[0] & object
      const others = [
        { p: p + 0.01, reduction, normalizer },
        { p, reduction: reduction === 'sum' ? ('max' as const) : ('sum' as const), normalizer: 'none' as const },
      ]
      for (const other of others) {
        const scores = await scored(criteria.lp(other))
        const worst = Math.max(...references.map(({ scores: wanted }, g) => distance(scores[g]!, wanted[k]![1])))
        expect(worst, JSON.stringify([named, other])).toBeGreaterThan(CLOSE)
      }
    }
  })

  it('distances between sizes instead of weights are noticed', async () => {
    const sizes = Object.entries(plain).map(([key, { shape, data }]) => [
      key,
      { shape, data: Float32Array.from(data, Math.abs) },
    ])
    const k = criteriaOf.findIndex(([, { name, normalizer }]) => name === 'fpgm' && normalizer === 'none')
    const scores = await scored(criteria.fpgm({ normalizer: 'none' }), weightsFrom(Object.fromEntries(sizes)))
    references.forEach((reference, g) => {
      expect(distance(scores[g]!, reference.scores[k]![1])).toBeGreaterThan(CLOSE)
    })
  })

  it('groupL2 and groupL1 are lp of 2 and 1, bit for bit', async () => {
    for (const [named, p] of [[groupL2(), 2] as const, [groupL1(), 1] as const]) {
      expect(await scored(named)).toEqual(await scored(criteria.lp({ p })))
    }
  })
})

describe('a criterion of weights', () => {
  const group = (over: object = {}) => ({
    ...{ id: 0, kind: 'channels', size: 3, scopes: ['a'], exact: true, approximation: [] },
    members: [
      {
        ...{ name: 'a.weight', role: 'parameter', use: 'output', dim: 0, size: 3 },
        ...{ coords: Int32Array.of(0, 1, 2), units: Int32Array.of(0, 1, 2) },
      },
    ],
    ...over,
  })
  const analysis = (...groups: object[]) =>
    ({ groups, frozen: [], coverage: 1, topReasons: [] }) as ChannelGroups & object
  const tensors = (data: number[], dtype: 'float32' | 'float64' | 'float16' = 'float32') =>
    weightsOf({ parameters: () => new Map([['a.weight', Tensor.from(data, [3, data.length / 3], { dtype })]]) })
  const both = (data: number[]) => [
    tensors(data),
    weightsFrom({ 'a.weight': { shape: [3, data.length / 3], data: Float32Array.from(data) } }),
  ]
  const scoresOf = async (
    criterion: WeightImportance,
    weights: ReturnType<typeof weightsFrom>,
    groups = analysis(group()),
  ) => Array.from((await criterion({ groups, weights })).get(0)!)

  it('fpgm: opposite filters are far apart, equal ones at no distance', async () => {
    for (const weights of both([1, 2, -1, -2, 1, 2])) {
      const far = 2 * Math.sqrt(5)
      const scores = await scoresOf(criteria.fpgm({ normalizer: 'none' }), weights)
      expect(scores).toEqual([far, 2 * far, far].map((x) => expect.closeTo(x, 12)))
    }
    for (const weights of both([0.1, 0.7, 0.1, 0.7, 0.1, 0.7])) {
      expect(await scoresOf(criteria.fpgm(), weights)).toEqual([0, 0, 0].map((x) => expect.closeTo(x, 12)))
    }
  })

  it('fpgm: many units are taken in blocks, and wide ones in pieces', async () => {
    const [units, width] = [5000, 2]
    const data = Float32Array.from({ length: units * width }, (_, k) => Math.sin(k))
    const coords = Int32Array.from({ length: units }, (_, k) => k)
    const one = { ...group().members[0]!, size: units, coords, units: coords }
    const groups = analysis(group({ size: units, members: [one] }))
    const weights = weightsOf({ parameters: () => new Map([['a.weight', Tensor.from(data, [units, width])]]) })
    const scores = (await criteria.fpgm({ normalizer: 'none' })({ groups, weights })).get(0)!
    for (const u of [0, 3354, 3355, 4999]) {
      let wanted = 0
      for (let v = 0; v < units; v++) {
        wanted += Math.hypot(data[2 * u]! - data[2 * v]!, data[2 * u + 1]! - data[2 * v + 1]!)
      }
      expect(scores[u]! / wanted, `unit ${u}`).toBeCloseTo(1, 10)
    }
    // Rows of ones, twos and fives.
    const width3 = 6_000_000
    const wide = new Float32Array(3 * width3)
    ;[1, 2, 5].forEach((value, row) => {
      wide.fill(value, row * width3, (row + 1) * width3)
    })
    const own = weightsOf({ parameters: () => new Map([['a.weight', Tensor.from(wide, [3, width3])]]) })
    const got = await scoresOf(criteria.fpgm({ normalizer: 'none' }), own)
    expect(got.map((x) => x / Math.sqrt(width3))).toEqual([5, 4, 7].map((x) => expect.closeTo(x, 10)))
  })

  it('fpgm: units of different numbers of slices are refused', async () => {
    const [member] = group().members
    const uneven = group({ size: 2, members: [{ ...member, units: Int32Array.of(0, 0, 1) }] })
    await expect(scoresOf(criteria.fpgm(), tensors([1, 2, 3]), analysis(uneven))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining("different numbers of slices in 'a.weight'"),
    })
  })

  it('lamp: each has its share of what is left when the weaker ones are gone; zeros have none', async () => {
    for (const weights of both([2, 1, 2])) {
      // 4 / (4 + 4), 1 / (1 + 4 + 4), 4 / 4: of equal ones the first goes first
      expect(await scoresOf(criteria.lamp(), weights)).toEqual([0.5, 1 / 9, 1])
    }
    for (const weights of both([0, 0, 0])) expect(await scoresOf(criteria.lamp(), weights)).toEqual([0, 0, 0])
    const broken = await scoresOf(criteria.lamp(), tensors([1, Number.NaN, 2]))
    expect(broken).toEqual([Number.NaN, Number.NaN, Number.NaN])
  })

  it('lp: scores that are alike are zeros when they are standardized, and zeros stay zeros', async () => {
    for (const normalizer of ['mean', 'sum', 'max', 'standardize', 'none'] as const) {
      for (const weights of both([0, 0, 0])) {
        expect(await scoresOf(criteria.lp({ normalizer }), weights)).toEqual([0, 0, 0])
      }
    }
    for (const weights of both([0.1, 0.1, 0.1])) {
      expect(await scoresOf(criteria.lp({ normalizer: 'standardize' }), weights)).toEqual([0, 0, 0])
    }
  })

  it('lp: small weights are not lost in a high power', async () => {
    for (const weights of both([1e-6, 2e-6, 3e-6])) {
      const scores = await scoresOf(criteria.lp({ p: 10, normalizer: 'max' }), weights)
      expect(scores).toEqual([3 ** -10, (2 / 3) ** 10, 1].map((x) => expect.closeTo(x, 6)))
    }
  })

  it.each(['float64', 'float16'] as const)('weights of %s are read as they are', async (dtype) => {
    const scores = await scoresOf(criteria.lp({ normalizer: 'none' }), tensors([0.5, -2, 3], dtype))
    expect(scores).toEqual([0.25, 4, 9])
  })

  it('weights of any order in memory are read, with gaps in it, too', async () => {
    const wide = Tensor.from([1, 9, 2, 9, 3, 9], [3, 2])
    const { call } = await import('espalier/torch')
    const gaps = call('aten::slice.Tensor', [wide, 1, 0, 1]) as Tensor
    const turned = call('aten::t', [Tensor.from([1, 2, 3, 4, 5, 6], [2, 3])]) as Tensor
    for (const [tensor, wanted] of [[gaps, [1, 4, 9]] as const, [turned, [17, 29, 45]] as const]) {
      const weights = weightsOf({ parameters: () => new Map([['a.weight', tensor]]) })
      expect(await scoresOf(criteria.lp({ normalizer: 'none' }), weights)).toEqual(wanted)
    }
  })

  it('bnScale refuses a group without a scale, and says what to do', async () => {
    await expect(scoresOf(criteria.bnScale(), tensors([1, 2, 3]))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: 'group 0 (a) has no norm with a scale',
      hint: expect.stringContaining("otherwise: 'weights'"),
    })
  })

  it('random is the same for a seed, another for another one, and in [0, 1)', async () => {
    const weights = tensors([1, 2, 3])
    const of = (seed?: number) => scoresOf(criteria.random({ seed }), weights)
    expect(await of(3)).toEqual(await of(3))
    expect(await of()).toEqual(await of(0))
    expect(await of(3)).not.toEqual(await of(4))
    for (const score of await of(3)) expect(score >= 0 && score < 1).toBe(true)
  })

  it('gives up when it is no longer waited for', async () => {
    const context = { groups: analysis(group()), weights: tensors([1, 2, 3]), signal: AbortSignal.abort() }
    for (const criterion of [criteria.lp(), criteria.fpgm()]) {
      await expect(criterion(context)).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    }
  })

  it('of groups that are none is of nothing', async () => {
    for (const criterion of [criteria.lp(), criteria.lamp(), criteria.fpgm(), criteria.random()]) {
      expect((await criterion({ groups: analysis(), weights: tensors([1, 2, 3]) })).size).toBe(0)
    }
  })

  it('takes a name and options in a config', async () => {
    const named = made('importance', { name: 'lp', p: 1, reduction: 'first' }) as WeightImportance & {
      description: object
    }
    expect(named.description).toEqual({ name: 'lp', p: 1, reduction: 'first', normalizer: 'mean' })
    expect(() => made('importance', { name: 'lp', power: 1 })).toThrow(/'power' is unknown/)
  })

  it('drives a plan, local or global', async () => {
    using prunable = await prunableOf('residual')
    for (const criterion of [
      criteria.lp({ p: 1 }),
      criteria.lamp(),
      criteria.fpgm(),
      criteria.bnScale(),
      criteria.random(),
    ]) {
      for (const ranking of ['local', 'global'] as const) {
        const options = { inputs: [Tensor.zeros([2, 3, 4, 4])], importance: criterion, ratio: 0.4, ranking }
        const { small, plan } = await prune(prunable.model as ScriptModule, options)
        expect(plan.removed.length).toBeGreaterThan(0)
        small.dispose()
      }
    }
  })
})
