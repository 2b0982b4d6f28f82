import { describe, expect, it } from 'vitest'
import { analyse } from '../../lib/cut/analyse.js'
import { compileCut } from '../../lib/cut/edits.js'
import type { OpRecord } from '../../lib/groups/index.js'
import { unitCount } from '../../lib/groups/widths.js'
import { describePlan } from '../../lib/plan/plan.js'
import { RecordBuilder } from '../support/build.js'

/** Edits for the removal of the given units of group 0. */
function cut(record: OpRecord, units: number[], group = 0) {
  const analysis = analyse(record)
  expect(analysis.broken).toEqual([])
  const first = analysis.groups.slice(0, group).reduce((n, g) => n + g.size, 0)
  const removed = new Uint8Array(unitCount(analysis))
  for (const u of units) removed[first + u] = 1
  return compileCut(analysis, describePlan(analysis, removed))
}

function nodeOf(record: OpRecord, name: string): number {
  return record.ops.find((op) => op.name === name)?.node ?? -1
}

describe('edits of the graph', () => {
  it('slices every tensor of a group, statistics included', () => {
    const b = new RecordBuilder()
    const x = b.norm('bn', b.conv('a', b.input(2, 3, 4, 4), 4))
    const { slices, constants } = cut(b.record(b.conv('head', x, 2)), [1])
    expect(slices.map(({ name, dim, keep }) => `${name}.${dim}: ${keep}`)).toEqual([
      'a.weight.0: 0,2,3',
      'bn.weight.0: 0,2,3',
      'bn.bias.0: 0,2,3',
      'bn.running_mean.0: 0,2,3',
      'bn.running_var.0: 0,2,3',
      'head.weight.1: 0,2,3',
    ])
    expect(constants).toEqual([])
  })

  it('rewrites the groups of a depthwise convolution', () => {
    const b = new RecordBuilder()
    const x = b.conv('dw', b.conv('a', b.input(2, 3, 4, 4), 4), 4, { groups: 4 })
    const record = b.record(b.conv('head', x, 2))
    const node = record.ops[1]?.node
    expect(cut(record, [0]).constants).toEqual([{ node, input: 3, value: 3 }])
  })

  it('rewrites the element of a view that is a width, and no equal number beside it', () => {
    const b = new RecordBuilder()
    const x = b.conv('a', b.input(6, 3, 1, 1), 6)
    const record = b.record(b.linear('fc', b.view(x, 6, 6), 2))
    expect(cut(record, [0, 1]).constants).toEqual([
      { node: nodeOf(record, 'aten::view'), input: 1, element: 1, value: 4 },
    ])
  })

  it('leaves a size alone that the model reads off a tensor', () => {
    const b = new RecordBuilder()
    const x = b.conv('a', b.input(2, 3, 1, 1), 6)
    const width = b.scalar('aten::size', { self: x, dim: b.int(1) }, 6)
    const [flat] = b.op('aten::view', { self: x, size: [b.int(2), width] }, [[2, 6]])
    expect(cut(b.record(b.linear('fc', flat as number, 2)), [0]).constants).toEqual([])
  })

  it('pins a number that computes with a width', () => {
    const b = new RecordBuilder()
    const x = b.linear('a', b.input(2, 3), 6)
    const width = b.scalar('aten::size', { self: x, dim: b.int(1) }, 6)
    const half = b.scalar('aten::floordiv', { a: width, b: b.int(2) }, 3)
    const [scaled] = b.op('aten::div', { self: x, other: half }, [[2, 6]])
    const record = b.record(b.linear('fc', scaled as number, 2))
    expect(cut(record, [0, 1]).constants).toEqual([{ node: nodeOf(record, 'aten::div'), input: 1, value: 3 }])
  })

  it('scales a size that varies with the batch and holds a width', () => {
    const b = new RecordBuilder()
    const x = b.conv('a', b.input(2, 3, 1, 1), 6)
    const batch = b.scalar('aten::size', { self: x, dim: b.int(0) }, 2)
    const six = b.int(6)
    const all = b.scalar('aten::mul', { a: batch, b: six }, 12)
    const [flat] = b.op('aten::view', { self: x, size: [all] }, [[12]])
    const [back] = b.op('aten::view', { self: flat as number, size: [batch, b.int(-1)] }, [[2, 6]])
    const record: OpRecord = {
      ...b.record(b.linear('fc', back as number, 2)),
      secondRun: {
        batch: 4,
        scalars: new Map([
          [batch, 4],
          [all, 24],
        ]),
        shapes: new Map(),
      },
    }
    const view = record.ops.find((op) => op.name === 'aten::view')?.node
    expect(cut(record, [0, 1]).scaled).toEqual([{ node: view, input: 1, element: 0, multiply: 2, divide: 3 }])
  })

  it('turns equal parts into a list of sizes once they are unequal', () => {
    const b = new RecordBuilder()
    const x = b.conv('a', b.input(2, 3, 4, 4), 8)
    const parts = b.op('aten::chunk', { self: x, chunks: b.int(2), dim: b.int(1) }, [
      [2, 4, 4, 4],
      [2, 4, 4, 4],
    ])
    const both = b.cat([b.conv('l', parts[0] as number, 2), b.conv('r', parts[1] as number, 2)])
    const record = b.record(both)
    const node = nodeOf(record, 'aten::chunk')
    expect(cut(record, [0]).rewrites).toEqual([
      { node, source: 'return torch.split_with_sizes(self, sizes, dim)', values: { sizes: [3, 4] } },
    ])
  })

  it('rewrites the size of equal parts that stay equal', () => {
    const b = new RecordBuilder()
    const x = b.conv('a', b.input(2, 3, 4, 4), 8)
    const parts = b.op('aten::split', { self: x, split_size: b.int(4), dim: b.int(1) }, [
      [2, 4, 4, 4],
      [2, 4, 4, 4],
    ])
    const record = b.record(b.conv('head', b.binary('add', parts[0] as number, parts[1] as number), 2))
    const edits = cut(record, [0])
    expect(edits.constants).toEqual([{ node: nodeOf(record, 'aten::split'), input: 1, value: 3 }])
    expect(edits.rewrites).toEqual([])
  })

  it('moves the bounds of a slice, and selects where its step no longer fits', () => {
    const sliced = (start: number, end: number, step: number, size: number) => {
      const b = new RecordBuilder()
      const x = b.conv('a', b.input(2, 3, 4, 4), 8)
      const args = { self: x, dim: b.int(1), start: b.int(start), end: b.int(end), step: b.int(step) }
      const [part] = b.op('aten::slice', args, [[2, size, 4, 4]])
      const record = b.record(b.cat([b.conv('p', part as number, 2), b.conv('w', x, 2)]))
      const analysis = analyse(record)
      // removes channel 3 of the convolution, wherever it landed
      const removed = new Uint8Array(unitCount(analysis))
      let first = 0
      for (const g of analysis.groups) {
        const stem = g.members.find((m) => m.name === 'a.weight')
        const k = stem ? Array.from(stem.coords).indexOf(3) : -1
        if (stem && k >= 0) removed[first + (stem.units[k] as number)] = 1
        first += g.size
      }
      return compileCut(analysis, describePlan(analysis, removed))
    }
    expect(sliced(2, 6, 1, 4).constants.map((c) => [c.input, c.value])).toEqual([[3, 5]])
    expect(sliced(4, 8, 1, 4).constants.map((c) => [c.input, c.value])).toEqual([[2, 3]])
    expect(sliced(1, 8, 2, 4).rewrites).toMatchObject([{ values: { left: { shape: [3], data: [1, 4, 6] } } }])
  })

  it('refuses a node that would need a different width each time it runs', () => {
    const b = new RecordBuilder()
    const view = (x: number) => b.view(x, 2, 6)
    const left = b.linear('l', view(b.conv('a', b.input(2, 3, 1, 1), 6)), 2)
    const right = b.linear('r', view(b.conv('b', b.input(2, 3, 1, 1), 6)), 2)
    const record = b.record(b.binary('add', left, right))
    const views = record.ops.filter((op) => op.name === 'aten::view')
    const shared = record.ops.map((op) => (op === views[1] ? { ...op, node: views[0]?.node as number } : op))
    expect(() => cut({ ...record, ops: shared }, [0])).toThrowError(/runs several times/)
  })
})
