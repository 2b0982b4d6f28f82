import { analyse } from 'espalier/analysis'
import { describe, expect, it } from 'vitest'
import { closedBranches } from '../../lib/groups/branches.js'
import type { Arg, OpEntry, OpRecord, RecordValue } from '../../lib/groups/index.js'
import { lengthRuleOf } from '../../lib/operators/apply.js'
import { Lengths } from '../../lib/sizes/lengths.js'
import { hold } from '../property/law.js'
import { RecordBuilder } from '../support/build.js'
import { uniform } from '../support/networks.js'
import { type Case, checkCase } from './worked.js'

const CELL = { ih: [24, 8], hh: [24, 6], bi: [24], bh: [24] }
const WEIGHTS = 'self.ih, self.hh, self.bi, self.bh'
const LAYER = { e: [8, 3], ...CELL, o: [2, 6] }
const GROUPS = ['channels 8: e.0 ih.1', 'hidden 6: ih.0 hh.0 hh.1 bi.0 bh.0 o.1']

/** An LSTM of one layer over one step, whose state the module keeps. */
const layer = (keep: string, last = 'y.squeeze(1)') => `def forward(self, x: Tensor) -> Tensor:
  s = torch.relu(torch.linear(x, self.e)).unsqueeze(1)
  y, h, c = torch.lstm(s, [self.h, self.c], [${WEIGHTS}], True, 1, 0.0, False, False, True)
  ${keep.split('; ').join('\n  ')}
  return torch.linear(${last}, self.o)`
const state = () => ({ h: uniform([1, 2, 6]), c: uniform([1, 2, 6]) })
const frames =
  (...shape: number[]) =>
  () => [uniform(shape)]

/** Cells over the steps of `x`, from states of zeros. */
const steps = (states: Record<string, number>, body: string[], last: string) => {
  const zeros = Object.entries(states).map(([name, size]) => `${name} = torch.zeros([x.size(0), ${size}])`)
  return `def forward(self, x: Tensor) -> Tensor:
      ${zeros.join('\n      ')}
      for t in range(x.size(1)):
        ${body.join('\n        ')}
      return torch.linear(${last}, self.o)`
}

const CASES: Case[] = [
  {
    title: 'LSTM: four gates of one hidden axis, shared by both layers',
    source: `def forward(self, x: Tensor) -> Tensor:
      zeros = torch.zeros([2, x.size(0), 6])
      w = [self.ih0, self.hh0, self.b0, self.b0h, self.ih1, self.hh1, self.b1, self.b1h]
      y, h, c = torch.lstm(x, [zeros, zeros], w, True, 2, 0.0, False, False, True)
      return torch.linear(y[:, -1], self.head)`,
    parameters: {
      ih0: [24, 3],
      hh0: [24, 6],
      b0: [24],
      b0h: [24],
      ih1: [24, 6],
      hh1: [24, 6],
      b1: [24],
      b1h: [24],
      head: [4, 6],
    },
    inputs: frames(2, 5, 3),
    groups: ['hidden 6: ih0.0 hh0.0 hh0.1 b0.0 b0h.0 ih1.0 ih1.1 hh1.0 hh1.1 b1.0 b1h.0 head.1'],
  },
  {
    title: 'an LSTM writes its state through a view of a buffer',
    source: layer('self.h[:] = h; self.c[:] = c'),
    parameters: LAYER,
    buffers: state,
    inputs: frames(2, 3),
    groups: GROUPS,
  },
  {
    title: 'an LSTM replaces its state',
    source: layer('self.h = h; self.c = c.detach()'),
    parameters: LAYER,
    buffers: state,
    inputs: frames(2, 3),
    groups: GROUPS,
  },
  {
    title: 'an LSTM copies to its state',
    source: layer('self.h.copy_(h); self.c.copy_(c)'),
    parameters: LAYER,
    buffers: state,
    inputs: frames(2, 3),
    groups: GROUPS,
  },
  {
    title: 'a state that is not zero where it is dead: a sum over it needs all of it',
    source: layer('self.h[:] = h; self.c[:] = c', 'torch.sum(y, [2], True).squeeze(1)'),
    parameters: { ...LAYER, o: [2, 1] },
    buffers: state,
    inputs: frames(2, 3),
    groups: [GROUPS[0] as string],
    frozen: ['hh.1: reduction over the axis'],
  },
  {
    title: 'an attribute of another shape is no state',
    source: layer('self.h = torch.cat([h, h], 1)'),
    parameters: LAYER,
    buffers: state,
    inputs: frames(2, 3),
    groups: [GROUPS[0] as string],
    frozen: ['hh.1: attribute that is set'],
  },
  {
    title: 'states that the caller keeps',
    source: `def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
  s = torch.relu(torch.linear(x, self.e))
  y, h, c = torch.lstm(s, [h, c], [${WEIGHTS}], True, 1, 0.0, False, False, True)
  return torch.linear(y[:, -1], self.o)`,
    parameters: LAYER,
    inputs: () => [uniform([2, 4, 3]), uniform([1, 2, 6]), uniform([1, 2, 6])],
    groups: [GROUPS[0] as string],
    frozen: ['hh.1: model input'],
  },
  {
    title: 'a window of the past, kept for the next call',
    source: `def forward(self, x: Tensor) -> Tensor:
  y = torch.cat([self.past, torch.relu(torch.conv1d(x, self.a))], 2)
  self.past = y[:, :, -2:]
  return torch.conv1d(y, self.b)`,
    parameters: { a: [8, 3, 1], b: [4, 8, 3] },
    buffers: () => ({ past: uniform([2, 8, 2]) }),
    inputs: frames(2, 3, 5),
    groups: ['channels 8: a.0 b.1'],
  },
  {
    title: 'LSTM cells: the states of all steps are one axis',
    source: steps(
      { h: 6, c: 6 },
      [`h, c = torch.lstm_cell(torch.relu(torch.linear(x[:, t], self.e)), [h, c], ${WEIGHTS})`],
      'h',
    ),
    parameters: LAYER,
    inputs: frames(2, 4, 3),
    groups: GROUPS,
  },
  {
    title: 'a GRU cell behind a plain cell',
    source: steps(
      { h: 6, g: 5 },
      ['h = torch.rnn_tanh_cell(x[:, t], h, self.ih, self.hh)', 'g = torch.gru_cell(h, g, self.gi, self.gh)'],
      'g',
    ),
    parameters: { ih: [6, 3], hh: [6, 6], gi: [15, 6], gh: [15, 5], o: [2, 5] },
    inputs: frames(2, 4, 3),
    groups: ['hidden 6: ih.0 hh.0 hh.1 gi.1', 'hidden 5: gi.0 gh.0 gh.1 o.1'],
  },
  {
    title: 'packed sequences: one hidden axis of both directions',
    source: `def forward(self, x: Tensor) -> Tensor:
  n = torch.tensor([4]).repeat(x.size(0))
  s, sizes = torch._pack_padded_sequence(torch.relu(torch.linear(x, self.e)), n, True)
  z = torch.zeros([2, x.size(0), 6])
  w = [self.ih, self.hh, self.ih2, self.hh2]
  y, h, c = torch.lstm(s, sizes, [z, z], w, False, 1, 0.0, False, True)
  t, n = torch._pad_packed_sequence(y, sizes, True, 0.0, 4)
  return torch.linear(t, self.o)`,
    parameters: { e: [8, 3], ih: [24, 8], hh: [24, 6], ih2: [24, 8], hh2: [24, 6], o: [2, 12] },
    inputs: frames(2, 4, 3),
    groups: ['channels 8: e.0 ih.1 ih2.1', 'hidden 6: ih.0 hh.0 hh.1 ih2.0 hh2.0 hh2.1 o.1'],
  },
]

/** `h` is nothing at first; `if h is None` is decided by what an earlier run has set, when there was one. */
function remembered(kept: boolean): OpRecord {
  const scalar = (kind: 'none' | 'bool', value: boolean | null): RecordValue => ({ kind, value })
  const tensor = (role?: 'input'): RecordValue => ({
    kind: 'tensor',
    shape: [2, 3],
    dtype: 'float32',
    ...(role && { role }),
  })
  const op = (name: string, node: number, inputs: Arg[], outputs: Arg[]): OpEntry => ({
    ...{ name, node, inputs, outputs, overload: '', argNames: [], scope: '' },
    ...{ mutates: name === 'prim::SetAttr', speculative: false },
  })
  const [x, held, none, isNone, start, made] = [0, 1, 2, 3, 4, 5]
  return {
    values: [tensor('input'), scalar('none', null), scalar('none', null), scalar('bool', true), tensor(), tensor()],
    ops: [
      op('aten::__is__', 0, [held, none], [isNone]),
      op('aten::zeros_like', 2, [x], [start]),
      op('aten::add', 3, [x, start], [made]),
      ...(kept ? [op('prim::SetAttr', 4, [none, made, held], [])] : []),
    ],
    skipped: [
      { node: 1, scope: '', kind: 'if', outcome: 'failed', condition: isNone, reads: [], merges: [{ taken: start }] },
    ],
    ...{ inputs: [x], output: made, executed: true },
  }
}

it('a branch by what the program has kept from its last run is not closed', () => {
  const closed = (kept: boolean) => closedBranches(remembered(kept), new Lengths(remembered(kept), lengthRuleOf)).size
  expect(closed(false)).toBe(1)
  expect(closed(true)).toBe(0)
})

it('what is kept in an attribute that is None at first stays whole, and is told so', () => {
  const b = new RecordBuilder()
  const x = b.unary('relu', b.linear('a', b.input(2, 3), 4))
  b.op('prim::SetAttr', { self: b.none(), h: x, held: b.none() }, [])
  const { groups, frozen } = analyse(b.record(b.linear('c', x, 5)))
  expect(groups).toEqual([])
  const { reasons } = frozen.find(({ name, dim }) => name === 'a.weight' && dim === 0)!
  expect(reasons.map(({ kind }) => kind)).toEqual(['attribute that is None before the first run'])
})

describe('recurrent networks and their states', () => {
  it.each(CASES)('$title', checkCase)

  // Both start from states other than zero, and are called with one input after the other.
  it.each(['self.h[:] = h; self.c[:] = c', 'self.h = h; self.c = c'])(
    '%s: call by call as the masked network',
    async (keep) => {
      const parameters = Object.fromEntries(
        Object.entries(LAYER).map(([name, shape]) => [name, { shape, zero: false }]),
      )
      const source = { text: layer(keep), parameters, buffers: { h: [1, 2, 6], c: [1, 2, 6] } }
      const inputs = [1, 2, 3].map(() => [2, 3])
      expect(await hold({ source, seed: 3, inputs, exact: true })).toMatchObject({ outcome: 'cut' })
    },
  )
})
