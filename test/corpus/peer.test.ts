import { describe, expect, it } from 'vitest'
import type { OurGroup } from '../../scripts/checks/corpus/child.mjs'
import type { PeerGroup } from '../../scripts/checks/corpus/files.mjs'
import { compareGroups, reasonOf } from '../../scripts/checks/corpus/peer.mjs'

const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i)

/** conv1 (4 channels) -> bn -> second half of a concatenation of 4 + 4 -> flatten of 2 pixels -> fc */
const theirs: PeerGroup = {
  root: 'conv1',
  n: 4,
  touches_output: false,
  members: [
    { layer: 'conv1', kind: 'Conv', fn: 'out', n: 4 },
    { layer: 'bn', kind: 'BN', fn: 'out', n: 4 },
    { layer: 'scale', kind: 'Param', fn: 'out', n: 4 },
    { layer: 'fc', kind: 'Linear', fn: 'in', n: 8, root_idx: [0, 0, 1, 1, 2, 2, 3, 3], idx: range(8, 8) },
  ],
}

/** The same, units numbered backwards. */
const ours = (columns = [3, 3, 2, 2, 1, 1, 0, 0]): OurGroup => {
  const rows = { dim: 0, coords: range(4), units: [3, 2, 1, 0] }
  return {
    kind: 'channels',
    size: 4,
    members: [
      { name: 'conv1.weight', use: 'output', ...rows },
      { name: 'conv1.bias', use: 'bias', ...rows },
      { name: 'bn.weight', use: 'norm-weight', ...rows },
      { name: 'bn.running_var', use: 'statistic', ...rows },
      { name: 'scale', use: 'other', ...rows },
      { name: 'fc.weight', use: 'input', dim: 1, coords: range(8, 8), units: columns },
    ],
  }
}

describe('comparing groups with the peer', () => {
  it('finds equal groups whatever the order and the numbers of their units', () => {
    expect(compareGroups([theirs], [ours()])).toEqual({ equal: 1, differences: [] })
  })

  it('notices columns that belong to other units', () => {
    const { equal, differences } = compareGroups([theirs], [ours([0, 0, 2, 2, 1, 1, 3, 3])])
    expect(equal).toBe(0)
    expect(differences.map(reasonOf)).toEqual([undefined])
  })

  it('notices a missing member on either side', () => {
    const [difference] = compareGroups([theirs], [{ ...ours(), members: ours().members.slice(0, 5) }]).differences
    expect(difference!.onlyPeer).toEqual(['fc in'])
    const [other] = compareGroups([{ ...theirs, members: theirs.members.slice(1) }], [ours()]).differences
    expect(other!.onlyOurs).toEqual(['conv1 out'])
    expect([difference, other].map((d) => reasonOf(d!))).toEqual([undefined, undefined])
  })

  it('excuses layers that only an untaken branch reads, and no others', () => {
    const other = { name: 'twin.weight', use: 'output', dim: 0, coords: range(4), units: [3, 2, 1, 0] }
    const more = { ...ours(), members: [...ours().members, other] }
    const reasons = (untaken: string[]) => compareGroups([theirs], [more], [], untaken).differences.map(reasonOf)
    expect(reasons(['twin.weight'])).toEqual([expect.stringMatching(/^the other side of a branch/)])
    expect(reasons(['fc.weight'])).toEqual([undefined])
  })

  it('notices a group that we do not have', () => {
    const { differences } = compareGroups([theirs], [])
    expect(differences.map(reasonOf)).toEqual([undefined])
  })

  it('has a reason for a group that we freeze, when we say why', () => {
    const frozen = [{ name: 'conv1.weight', dim: 0, reasons: ['unknown operator aten::topk'] }]
    const { differences } = compareGroups([theirs], [], frozen)
    expect(differences.map(reasonOf)).toEqual(['frozen here: unknown operator aten::topk'])
    expect(compareGroups([theirs], [], [{ ...frozen[0]!, name: 'conv2.weight' }]).differences.map(reasonOf)).toEqual([
      undefined,
    ])
  })

  it('has a reason for groups that reach the output and that we freeze, not for those that we would prune', () => {
    const last = { ...theirs, touches_output: true }
    expect(reasonOf(compareGroups([last], []).differences[0]!)).toMatch(/output/)
    expect(compareGroups([last], [ours()]).equal).toBe(0)
    expect(compareGroups([last], [ours()]).differences.map(reasonOf)).toEqual([undefined])
  })

  it('has a reason for one group of theirs that is several of ours', () => {
    const half = (units: number[]): OurGroup => ({
      kind: 'channels',
      size: 2,
      members: [{ name: 'conv1.weight', use: 'output', dim: 0, coords: units, units: [0, 1] }],
    })
    const whole = { ...theirs, members: theirs.members.slice(0, 1) }
    expect(reasonOf(compareGroups([whole], [half([0, 1]), half([2, 3])]).differences[0]!)).toMatch(/several here/)
  })

  it('has a reason for the groups of a convolution, and only for them', () => {
    // 2 groups of 2 channels: conv1 -> grouped conv2, whose weight has 2 columns a filter.
    const peer: PeerGroup = {
      root: 'conv1',
      n: 4,
      touches_output: false,
      members: [
        { layer: 'conv1', kind: 'Conv', fn: 'out', n: 4 },
        { layer: 'conv2', kind: 'Conv', fn: 'in', n: 4 },
      ],
    }
    const rows = { name: 'conv1.weight', use: 'output', dim: 0, coords: range(4) }
    const columns = { name: 'conv2.weight', use: 'input', dim: 1, coords: [0, 1], units: [0, 1] }
    const within: OurGroup = { kind: 'channels', size: 2, members: [{ ...rows, units: [0, 1, 0, 1] }, columns] }
    const whole: OurGroup = {
      kind: 'conv-groups',
      size: 2,
      members: [
        { ...rows, units: [0, 0, 1, 1] },
        { ...rows, name: 'conv2.weight', units: [0, 0, 1, 1] },
      ],
    }
    expect(compareGroups([peer], [within, whole]).differences.map(reasonOf)).toEqual([expect.stringMatching(/grouped/)])
    expect(compareGroups([peer], [within]).differences.map(reasonOf)).toEqual([undefined])
    const without = { ...within, members: [{ ...rows, units: [0, 1, 0, 1] }] }
    expect(compareGroups([peer], [without, whole]).differences.map(reasonOf)).toEqual([undefined])
  })
})
