import { describe, expect, it } from 'vitest'
import type { ChannelGroup, ChannelGroups, Member } from '../../lib/groups/groups.js'
import { assertFiniteScores, groupL1, groupL2, type WeightImportance, weightsFrom } from '../../lib/importance/index.js'
import { reference } from '../fixtures/growing-reg.js'

const member = (
  name: string,
  use: Member['use'],
  dim: number,
  units: number[],
  over: Partial<Member> = {},
): Member => ({
  ...{ name, role: 'parameter', use, dim, size: units.length },
  ...{ coords: Int32Array.from(units, (_, i) => i), units: Int32Array.from(units) },
  ...over,
})

const grouped = (...groups: { size: number; members: readonly Member[] }[]): ChannelGroups => ({
  groups: groups.map(
    (group, id): ChannelGroup => ({ id, kind: 'channels', scopes: ['conv'], exact: true, approximation: [], ...group }),
  ),
  ...{ frozen: [], coverage: 1, topReasons: [] },
})

const weight = (shape: number[], data: number[]) => ({ shape, data })

async function scores(
  importance: WeightImportance,
  groups: ChannelGroups,
  weights: Record<string, ReturnType<typeof weight>>,
) {
  return [...(await importance({ groups, weights: weightsFrom(weights) })).values()].map((s) => Array.from(s))
}

describe('group magnitude', () => {
  // rows: 1² + 2² = 5 and 3² + 4² = 25; columns: 1² + 1² = 2 and 2² + 0² = 4; means 3.5 and 14.5; group mean 9
  const weights = { 'a.weight': weight([2, 2], [1, 2, 3, 4]), 'b.weight': weight([2, 2], [1, 2, 1, 0]) }
  const groups = grouped({
    size: 2,
    members: [member('a.weight', 'output', 0, [0, 1]), member('b.weight', 'input', 1, [0, 1])],
  })

  it('is the mean over members of the sum of squares, divided by the mean of the group', async () => {
    expect(await scores(groupL2(), groups, weights)).toEqual([[3.5 / 9, 14.5 / 9]])
  })

  it('takes absolute values for L1', async () => {
    // rows 3 and 7, columns 2 and 2; means 2.5 and 4.5; group mean 3.5
    expect(await scores(groupL1(), groups, weights)).toEqual([[2.5 / 3.5, 4.5 / 3.5]])
  })

  it('leaves out biases, norm biases and statistics', async () => {
    const more = grouped({
      size: 2,
      members: [
        ...groups.groups[0]!.members,
        member('a.bias', 'bias', 0, [0, 1]),
        member('n.bias', 'norm-bias', 0, [0, 1]),
        member('n.running_mean', 'statistic', 0, [0, 1], { role: 'buffer' }),
      ],
    })
    const big = weight([2], [1e6, 0])
    const all = { ...weights, 'a.bias': big, 'n.bias': big, 'n.running_mean': big }
    expect(await scores(groupL2(), more, all)).toEqual([[3.5 / 9, 14.5 / 9]])
  })

  it('adds up all the slices of a unit, as after a flatten', async () => {
    const flat = grouped({ size: 2, members: [member('f.weight', 'input', 1, [0, 0, 1, 1])] })
    expect(await scores(groupL2(), flat, { 'f.weight': weight([1, 4], [1, 1, 1, 3]) })).toEqual([[2 / 6, 10 / 6]])
  })

  it('reads a dimension in the middle of a kernel', async () => {
    const conv = grouped({ size: 2, members: [member('c.weight', 'input', 1, [0, 1])] })
    const kernel = weight([2, 2, 1, 2], [1, 1, 2, 2, 1, 1, 2, 2])
    expect(await scores(groupL2(), conv, { 'c.weight': kernel })).toEqual([[4 / 10, 16 / 10]])
  })

  it('scores a group of zeros with zeros', async () => {
    const zero = { 'a.weight': weight([2, 2], [0, 0, 0, 0]), 'b.weight': weight([2, 2], [0, 0, 0, 0]) }
    expect(await scores(groupL2(), groups, zero)).toEqual([[0, 0]])
  })

  it('scores a group of raw parameters by these', async () => {
    const raw = grouped({ size: 2, members: [member('gate', 'other', 0, [0, 1])] })
    expect(await scores(groupL2(), raw, { gate: weight([2], [1, 3]) })).toEqual([[0.2, 1.8]])
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'lets %s through to its group only, and names the parameter',
    async (bad) => {
      const two = grouped(groups.groups[0]!, { size: 2, members: [member('c.weight', 'output', 0, [0, 1])] })
      const weights2 = weightsFrom({ ...weights, 'c.weight': weight([2, 1], [bad, 1]) })
      const got = await groupL2()({ groups: two, weights: weights2 })
      expect(Array.from(got.get(0)!)).toEqual([3.5 / 9, 14.5 / 9])
      expect(() => assertFiniteScores(two, got, weights2)).toThrow(
        expect.objectContaining({ code: 'ERR_NOT_FINITE', message: expect.stringContaining("'c.weight'") }),
      )
      expect(() => assertFiniteScores(groups, got, weights2)).not.toThrow()
    },
  )
})

describe.each(['toy_resnet', 'toy_concat', 'odd_gate_param'])('group L2 of %s', (name) => {
  const { groups, weights, importance } = reference(name, { penalised: 'as the peer' })
  it.each(groups.groups.map(({ id, scopes }) => [scopes[0]!, id] as const))(
    'equals the reference: %s',
    async (_, id) => {
      const got = (await groupL2()({ groups, weights: weightsFrom(weights) })).get(id)!
      expect(got.length).toBe(importance[id]!.length)
      Array.from(got).forEach((score, unit) => {
        expect(Math.abs(score / importance[id]![unit]! - 1)).toBeLessThan(1e-6)
      })
    },
  )
})
