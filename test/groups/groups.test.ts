import { describe, expect, it } from 'vitest'
import { analyse } from '../../lib/groups/analyse.js'
import type { Analysis } from '../../lib/groups/index.js'
import { RecordBuilder } from '../support/build.js'

/** `kind size: tensor.dim, …` for each group, statistics left out. */
function summary(analysis: Analysis): string[] {
  expect(analysis.broken).toEqual([])
  return analysis.groups.map(({ kind, size, members }) => {
    const places = members.filter((m) => m.use !== 'statistic').map((m) => `${m.name}.${m.dim}`)
    return `${kind} ${size}: ${places.join(' ')}`
  })
}

function reasonsFor(analysis: Analysis, name: string, dim: number): string[] {
  return analysis.frozen.filter((f) => f.name === name && f.dim === dim).flatMap((f) => f.reasons.map((r) => r.kind))
}

describe('channel groups', () => {
  it('ties the convolutions, norms and consumers of a residual stream', () => {
    const b = new RecordBuilder()
    const x = b.input(2, 3, 8, 8)
    const stem = b.norm('bn1', b.conv('conv1', x, 8, { kernel: 3 }))
    const inner = b.norm('bn2', b.conv('conv2', b.unary('relu', stem), 6, { kernel: 3 }))
    const block = b.norm('bn3', b.conv('conv3', inner, 12, { kernel: 3 }))
    const shortcut = b.norm('down.1', b.conv('down.0', stem, 12))
    const logits = b.linear('fc', b.flatten(b.pool(b.binary('add_', block, shortcut))), 10)

    expect(summary(analyse(b.record(logits)))).toEqual([
      'channels 8: conv1.weight.0 bn1.weight.0 bn1.bias.0 conv2.weight.1 down.0.weight.1',
      'channels 6: conv2.weight.0 bn2.weight.0 bn2.bias.0 conv3.weight.1',
      'channels 12: conv3.weight.0 bn3.weight.0 bn3.bias.0 down.0.weight.0 down.1.weight.0 down.1.bias.0 fc.weight.1',
    ])
  })

  it('fixes what the model gives out and takes in, and says so', () => {
    const b = new RecordBuilder()
    const hidden = b.linear('a', b.input(2, 5), 4)
    const analysis = analyse(b.record(b.linear('b', hidden, 3)))

    expect(summary(analysis)).toEqual(['channels 4: a.weight.0 a.bias.0 b.weight.1'])
    expect(reasonsFor(analysis, 'a.weight', 1)).toEqual(['model input'])
    expect(reasonsFor(analysis, 'b.weight', 0)).toEqual(['model output'])
    // a.weight and a.bias entirely, b.weight through its columns, b.bias not at all
    expect(analysis.coverage).toBeCloseTo((20 + 4 + 12) / (20 + 4 + 12 + 3), 12)
  })

  it('keeps the branches of a concatenation apart', () => {
    const b = new RecordBuilder()
    const x = b.input(2, 3, 4, 4)
    const both = b.cat([b.conv('left', x, 4), b.conv('right', x, 6)])
    const analysis = analyse(b.record(b.conv('head', both, 2)))

    expect(summary(analysis)).toEqual([
      'channels 4: left.weight.0 head.weight.1',
      'channels 6: right.weight.0 head.weight.1',
    ])
    const columns = analysis.groups[1]?.members.find((m) => m.name === 'head.weight')
    expect(Array.from(columns?.coords ?? [])).toEqual([4, 5, 6, 7, 8, 9])
  })

  it('follows flatten into a linear layer: every pixel of a channel goes with it', () => {
    const b = new RecordBuilder()
    const x = b.conv('conv', b.input(2, 3, 2, 2), 4)
    const analysis = analyse(b.record(b.linear('fc', b.flatten(x), 5)))

    const columns = analysis.groups[0]?.members.find((m) => m.name === 'fc.weight')
    expect(columns?.size).toBe(16)
    expect(Array.from(columns?.units ?? [])).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
  })

  it('treats depthwise filters as part of their channel', () => {
    const b = new RecordBuilder()
    const wide = b.norm('bn1', b.conv('expand', b.input(2, 3, 4, 4), 6))
    const deep = b.norm('bn2', b.conv('depthwise', wide, 6, { groups: 6, kernel: 3 }))
    expect(summary(analyse(b.record(b.conv('project', deep, 2))))).toEqual([
      'channels 6: expand.weight.0 bn1.weight.0 bn1.bias.0 depthwise.weight.0 bn2.weight.0 bn2.bias.0 project.weight.1',
    ])
  })

  it('lets a squeeze-excite gate follow the channels it multiplies', () => {
    const b = new RecordBuilder()
    const x = b.conv('conv', b.input(2, 3, 4, 4), 8)
    const gate = b.unary(
      'sigmoid',
      b.conv('up', b.unary('relu', b.conv('down', b.pool(x), 2, { bias: true })), 8, { bias: true }),
    )
    expect(summary(analyse(b.record(b.conv('head', b.binary('mul', x, gate), 2))))).toEqual([
      'channels 8: conv.weight.0 down.weight.1 up.weight.0 up.bias.0 head.weight.1',
      'channels 2: down.weight.0 down.bias.0 up.weight.1',
    ])
  })

  it('splits a grouped convolution into groups and channels within a group', () => {
    const b = new RecordBuilder()
    const x = b.conv('reduce', b.input(2, 3, 4, 4), 12)
    const y = b.conv('grouped', x, 8, { groups: 4, kernel: 3 })
    expect(new Set(summary(analyse(b.record(b.conv('head', y, 2)))))).toEqual(
      new Set([
        'conv-groups 4: reduce.weight.0 grouped.weight.0 head.weight.1',
        'channels 3: reduce.weight.0 grouped.weight.1',
        'channels 2: grouped.weight.0 head.weight.1',
      ]),
    )
  })

  it('shares the groups of two grouped convolutions in a row', () => {
    const b = new RecordBuilder()
    const x = b.conv('a', b.conv('reduce', b.input(2, 3, 4, 4), 12), 12, { groups: 4 })
    expect(new Set(summary(analyse(b.record(b.conv('head', b.conv('b', x, 8, { groups: 4 }), 2)))))).toEqual(
      new Set([
        'conv-groups 4: reduce.weight.0 a.weight.0 b.weight.0 head.weight.1',
        'channels 3: reduce.weight.0 a.weight.1',
        'channels 3: a.weight.0 b.weight.1',
        'channels 2: b.weight.0 head.weight.1',
      ]),
    )
  })

  it('nests a residual stream read by grouped convolutions of different widths', () => {
    const b = new RecordBuilder()
    const x = b.conv('stem', b.input(2, 3, 4, 4), 8)
    const wide = b.conv('wide', x, 2, { groups: 2 })
    const narrow = b.conv('narrow', x, 4, { groups: 4 })
    const analysis = analyse(b.record(b.conv('head', b.cat([wide, narrow]), 2)))
    // 8 = 2 groups x 2 groups x 2 channels
    expect(analysis.groups.filter((g) => g.members[0]?.name === 'stem.weight').map((g) => g.size)).toEqual([2, 2, 2])
  })

  it.each([
    // channels, groups of both, what is left: group-wise halves (or so), and the same channels of each
    { channels: 12, groups: [6, 4], left: ['conv-groups 2'] }, // 2 x (3 x 2 | 2 x 3)
    { channels: 24, groups: [4, 6], left: ['conv-groups 2', 'channels 2'] }, // 2 x (2 x 3 | 3 x 2) x 2
    { channels: 24, groups: [3, 4], left: ['channels 2'] }, // (3 x 4 | 4 x 3) x 2
    { channels: 6, groups: [2, 3], left: [] },
    { channels: 16, groups: [2, 4], left: ['conv-groups 2', 'conv-groups 2', 'channels 4'] }, // nested
  ])('keeps of $groups groups in one stream of $channels channels what both share', ({ channels, groups, left }) => {
    const b = new RecordBuilder()
    const x = b.conv('stem', b.input(2, 3, 4, 4), channels)
    const read = groups.map((n, k) => b.conv(`read${k}`, x, n, { groups: n }))
    const analysis = analyse(b.record(b.conv('head', b.cat([b.conv('free', read[0]!, 5), read[1]!]), 2)))
    expect(analysis.broken).toEqual([])
    const own = analysis.groups.filter(({ members }) => members.some(({ name }) => name === 'stem.weight'))
    expect(own.map(({ kind, size }) => `${kind} ${size}`).sort()).toEqual(left.sort())
    const reasons = left.length === 0 ? ['factors do not nest'] : []
    expect(reasonsFor(analysis, 'stem.weight', 0)).toEqual(reasons)
    expect(summary(analysis)).toContain('channels 5: free.weight.0 head.weight.1')
  })

  it('follows a channel shuffle, twice', () => {
    const b = new RecordBuilder()
    const shuffle = (x: number) => {
      const [n, c, h, w] = b.shape(x) as [number, number, number, number]
      return b.view(b.transpose(b.view(x, n, 2, c / 2, h, w), 1, 2), n, c, h, w)
    }
    const x = shuffle(shuffle(b.conv('stem', b.input(2, 3, 4, 4), 8)))
    const analysis = analyse(b.record(b.conv('head', x, 2)))
    const units = analysis.groups.reduce((n, g) => n + g.size, 0)
    expect(units).toBeGreaterThan(1)
    // where stem's channel i lands after two shuffles: (i mod 2) * 4 + i / 2, applied twice
    const once = (i: number) => (i % 4) * 2 + Math.floor(i / 4)
    const stem = new Map<number, Set<string>>()
    const head = new Map<number, Set<string>>()
    for (const g of analysis.groups) {
      for (const m of g.members) {
        const side = m.name === 'stem.weight' ? stem : head
        m.coords.forEach((c, k) => {
          side.set(c, (side.get(c) ?? new Set()).add(`${g.id}.${m.units[k]}`))
        })
      }
    }
    for (let i = 0; i < 8; i++) expect(head.get(once(once(i)))).toEqual(stem.get(i))
  })

  it('ties transposed convolutions by their swapped weight', () => {
    const b = new RecordBuilder()
    const x = b.conv('down', b.input(2, 3, 4, 4), 6)
    const weight = b.parameter('up.weight', 6, 4, 2, 2)
    const bias = b.parameter('up.bias', 4)
    const [y] = b.op('aten::conv_transpose2d', { input: x, weight, bias, groups: b.int(1) }, [[2, 4, 8, 8]], 'up')
    expect(summary(analyse(b.record(b.conv('head', y as number, 2))))).toEqual([
      'channels 6: down.weight.0 up.weight.0',
      'channels 4: up.weight.1 up.bias.0 head.weight.1',
    ])
  })

  it('freezes whatever an unknown operator touches, by its name', () => {
    const b = new RecordBuilder()
    const x = b.conv('conv', b.input(2, 3, 4, 4), 6)
    const [y] = b.op('aten::mystery', { self: x }, [[2, 6, 4, 4]], 'odd')
    const analysis = analyse(b.record(b.conv('head', y as number, 2)))
    expect(analysis.groups).toEqual([])
    const frozen = analysis.frozen.find((f) => f.name === 'conv.weight' && f.dim === 0)
    expect(frozen?.reasons).toContainEqual({ kind: 'unknown operator', operator: 'aten::mystery', scope: 'odd' })
    expect(analysis.topReasons[0]?.reason.operator).toBe('aten::mystery')
  })

  it('freezes a form of a known operator that its rule was not written for', () => {
    const odd: [string, (b: RecordBuilder, x: number) => number[]][] = [
      ['a view that reads the bytes anew', (b, x) => b.op('aten::view', { self: x, dtype: b.int(1) }, [[2, 6, 4, 8]])],
      ['a linear layer without its weight', (b, x) => b.op('aten::linear', { input: x }, [[2, 6, 4, 4]])],
      [
        'a norm whose weight is of another size',
        (b, x) => b.op('aten::batch_norm', { input: x, weight: b.parameter('bn.weight', 5) }, [[2, 6, 4, 4]]),
      ],
    ]
    for (const [what, make] of odd) {
      const b = new RecordBuilder()
      const [y] = make(b, b.conv('conv', b.input(2, 3, 4, 4), 6))
      const analysis = analyse(b.record(b.conv('head', y as number, 2)))
      expect([what, reasonsFor(analysis, 'conv.weight', 0)]).toEqual([what, ['unsupported form']])
    }
  })

  it('cuts operators along that ran, though no output needs them', () => {
    const b = new RecordBuilder()
    const x = b.conv('conv', b.input(2, 3, 4, 4), 6)
    b.conv('discarded', x, 4)
    expect(summary(analyse(b.record(b.conv('head', x, 2))))).toEqual([
      'channels 6: conv.weight.0 discarded.weight.1 head.weight.1',
      'channels 4: discarded.weight.0',
    ])
  })

  it('ignores operators of a branch not taken that no output needs', () => {
    const b = new RecordBuilder()
    const x = b.conv('conv', b.input(2, 3, 4, 4), 6)
    b.op('aten::mystery', { self: x }, [[2, 6, 4, 4]])
    const record = b.record(b.conv('head', x, 2))
    const ops = record.ops.map((op) => ({ ...op, speculative: op.name === 'aten::mystery' }))
    expect(summary(analyse({ ...record, ops }))).toEqual(['channels 6: conv.weight.0 head.weight.1'])
  })

  it('fixes a channel axis that is reduced, or that is a window', () => {
    const b = new RecordBuilder()
    const x = b.conv('a', b.input(2, 3, 4, 4), 6)
    const [largest] = b.op('aten::amax', { self: x, dim: b.ints(1), keepdim: b.flag(true) }, [[2, 1, 4, 4]])
    const gated = b.binary('mul', x, b.unary('sigmoid', largest as number))
    const eca = b.conv('b', gated, 8)
    const squeezed = b.view(b.pool(eca), 2, 1, 8)
    const kernel = b.parameter('eca.weight', 1, 1, 3)
    const [weights] = b.op('aten::conv1d', { input: squeezed, weight: kernel, bias: b.none(), groups: b.int(1) }, [
      [2, 1, 8],
    ])
    const out = b.conv('head', b.binary('mul', eca, b.view(weights as number, 2, 8, 1, 1)), 2)
    const analysis = analyse(b.record(out))
    expect(reasonsFor(analysis, 'a.weight', 0)).toContain('reduction over the axis')
    expect(reasonsFor(analysis, 'b.weight', 0)).toContain('window axis')
    expect(analysis.groups).toEqual([])
  })

  it('cuts a contraction of two activations only when one is zero where the other is dead', () => {
    const product = (activation: string) => {
      const b = new RecordBuilder()
      const x = b.input(2, 5)
      const left = b.unary(activation, b.linear('q', x, 4))
      const right = b.unary(activation, b.linear('k', x, 4))
      const [out] = b.op('aten::matmul', { self: left, other: b.transpose(right, 0, 1) }, [[2, 2]])
      return analyse(b.record(out as number))
    }
    expect(summary(product('relu'))).toEqual(['channels 4: q.weight.0 q.bias.0 k.weight.0 k.bias.0'])
    expect(product('sigmoid').groups).toEqual([])
  })

  it('splits a stream that is cut in unequal parts by who reads which part', () => {
    const b = new RecordBuilder()
    const [left, right] = b.split(b.conv('stem', b.input(2, 3, 4, 4), 10), [4, 6])
    const out = b.cat([b.conv('a', left as number, 2), b.conv('b', right as number, 2)])
    const analysis = analyse(b.record(out))
    expect(summary(analysis)).toEqual(['channels 4: stem.weight.0 a.weight.1', 'channels 6: stem.weight.0 b.weight.1'])
  })

  it('covers a network of a thousand layers in well under a second', () => {
    const b = new RecordBuilder()
    let x = b.conv('stem', b.input(1, 3, 4, 4), 64)
    for (let i = 0; i < 1000; i++) x = b.binary('add', x, b.conv(`c${i}`, b.norm(`n${i}`, x), 64))
    const analysis = analyse(b.record(b.conv('head', x, 2)))
    expect(analysis.groups.map((g) => g.size)).toEqual([64])
  }, 5000)
})
