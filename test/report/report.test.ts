import { describe, expect, it } from 'vitest'
import type { ChannelGroups, Member } from '../../lib/groups/index.js'
import { coverageLines, formatTable, frozenTable, groupsTable } from '../../lib/report/index.js'

describe('a table', () => {
  it('is as wide as its widest cells and aligns numbers to the right', () => {
    const table = formatTable(
      [{ title: 'name' }, { title: 'n', align: 'right' }],
      [
        ['convolution', 1],
        ['fc', 1000],
        ['x', undefined],
      ],
    )
    expect(table.split('\n')).toEqual([
      'name            n',
      '-----------  ----',
      'convolution     1',
      'fc           1000',
      'x',
    ])
  })

  it('loses no cell: a row of more cells than columns is refused', () => {
    expect(() => formatTable([{ title: 'name' }], [['fc'], ['fc', 1000]])).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('2 cells') }),
    )
  })
})

const member = (use: Member['use']): Member => ({
  ...{ name: 'w', role: 'parameter', use, dim: 0, size: 8, coords: new Int32Array(8), units: new Int32Array(8) },
})

const groups: ChannelGroups = {
  groups: [
    {
      ...{ id: 0, kind: 'channels', size: 8, exact: true, approximation: [], scopes: ['a', 'b', 'c', 'd', 'e'] },
      members: [member('output'), member('output'), member('input'), member('norm-weight')],
    },
  ],
  frozen: [{ name: 'fc.weight', dim: 0, size: 10, reasons: [{ kind: 'model output' }] }],
  coverage: 0.25,
  topReasons: [{ reason: { kind: 'unknown operator', operator: 'aten::topk', scope: 'head' }, elements: 1234 }],
}

describe('the report of an analysis', () => {
  it('says which slices go together', () => {
    expect(groupsTable(groups)).toMatch(/0 +channels +8 +2 rows, 1 columns, 1 norm weights +exact +a, b, c and 2 more/)
  })

  it('says what is frozen and why, and how much is not', () => {
    expect(frozenTable(groups)).toMatch(/fc\.weight +0 +10 +model output/)
    expect(coverageLines(groups).split('\n')).toEqual([
      'coverage: 25.0 % of the parameters have a dimension that can be pruned',
      '  1,234 parameters kept by: unknown operator aten::topk in head',
    ])
  })
})
