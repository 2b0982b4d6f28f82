import { type Axis, fixedAxis } from '../axes/axes.js'
import { MET } from '../axes/met.js'
import { volume } from '../base/numbers.js'
import type { LengthRule } from '../sizes/lengths.js'
import { Polynomial } from '../sizes/polynomial.js'
import type { Tensor } from './graph.js'
import type { Op } from './op.js'
import { type CountMacs, type Family, operators, type Relate } from './operator.js'

/** Reason for which the gates of a unit are fixed; nobody expects them to be prunable. */
export const GATES = 'gates'

/**
 * Layers and cells with `gates` gates. Weights are w_ih [gates·H, in], w_hh [gates·H, H or P], two biases [gates·H], and
 * with a projection w_hr [P, H].
 *
 * A dead unit sees zeros in every gate, so its state decays from where it was: `c / 2` in an LSTM, `h / 2` in a GRU. It is
 * zero when dead iff it was zero before; in a plain RNN it is zero whatever it was. Nothing of it leaks into other units,
 * since the columns that read it are zeroed.
 */
interface Kind {
  gates: number
  /** Position of the state that goes on where the unit is dead. */
  decays?: number
}

const LSTM: Kind = { gates: 4, decays: 1 }

const GRU: Kind = { gates: 3, decays: 0 }

const RNN: Kind = { gates: 1 }

/** The rows of a weight or bias are gates x `hidden`. */
function rows(op: Op, t: Tensor, hidden: Axis): void {
  const gate = op.split(t.axes[0] as Axis, hidden.length, { outer: 0, inner: MET.hidden })
  op.fix(gate.outer, GATES)
  op.equate(gate.inner, hidden)
  op.use(t, 0, t.axes.length > 1 ? 'output' : 'bias')
}

/** The columns of a weight read `axis`, which is zero when dead or not. */
function columns(op: Op, weight: Tensor, axis: Axis, zero: boolean): void {
  op.equate(weight.axes[1] as Axis, axis)
  op.use(weight, 1, 'input')
  if (!zero && !weight.zero[1]) op.fix(axis, 'sum of values that are not zero when dead')
}

const rowsAreZero = (tensors: readonly Tensor[]): boolean => tensors.every((t) => t.zero[0] === true)

const lastAxis = (t: Tensor): Axis => t.axes[t.axes.length - 1] as Axis

const lastZero = (t: Tensor): boolean => t.zero[t.zero.length - 1] === true

/** Whether what the units give is zero where they are dead. */
function decaysToZero({ decays }: Kind, states: readonly Tensor[]): boolean {
  const state = decays === undefined ? undefined : states[decays]
  return state === undefined ? decays === undefined : lastZero(state)
}

/**
 * All layers and directions share one hidden axis H, since their states are one tensor each (h_n, c_n); with a projection
 * P is another one.
 */
const layers =
  (kind: Kind): Relate =>
  (op) => {
    const x = op.tensor('data') ?? op.input('input')
    const weights = op.tensors('params')
    const states = op.tensors('hx')
    const biased = op.flag('has_biases')
    const directions = op.flag('bidirectional') ? 2 : 1
    const cells = op.int('num_layers', 1) * directions
    const each = weights.length / cells
    const projected = each === (biased ? 5 : 3)
    if (!Number.isInteger(each) || each < 2 || states.length === 0) return op.freeze('unsupported form')

    const last = weights[each - 1] as Tensor
    const h = hiddenOf(op, weights[0] as Tensor, kind.gates)
    const out = projected ? (last.axes[0] as Axis) : h
    op.meet(out, MET.hidden)
    const made = joined(out, directions)

    const parts = Array.from({ length: cells }, (_, k) => weights.slice(k * each, (k + 1) * each))
    const gateRows = parts.flatMap((own) => own.slice(0, biased ? 4 : 2))
    const projections = projected ? parts.map((own) => own.at(-1) as Tensor) : []
    const decayed = rowsAreZero(gateRows) && decaysToZero(kind, states)
    const zero = projected ? rowsAreZero(projections) : decayed

    for (const t of gateRows) rows(op, t, h)
    parts.forEach(([wih, whh], k) => {
      const first = k < directions
      columns(op, wih as Tensor, first ? lastAxis(x) : made, first ? lastZero(x) : zero)
      columns(op, whh as Tensor, out, zero && lastZero(states[0] as Tensor))
    })
    for (const project of projections) {
      op.equate(project.axes[0] as Axis, out)
      op.use(project, 0, 'output')
      columns(op, project, h, decayed)
    }
    states.forEach((state, k) => {
      op.equate(lastAxis(state), k === 0 ? out : h)
    })
    const batch = x.axes.slice(0, -1)
    for (const axis of batch) op.fix(axis, 'steps')
    op.output([...batch, made], [...batch.map(() => false), zero])
    for (const [k, axis] of [out, h].entries()) {
      const lead = op.outputShape(k + 1).slice(0, -1)
      op.output([...lead.map(fixedAxis), axis], [...lead.map(() => false), k === 0 ? zero : decayed], k + 1)
    }
  }

/** One step of one layer; its states come from the step before. */
const cell =
  (kind: Kind): Relate =>
  (op) => {
    const x = op.input('input')
    const states = op.tensors('hx')
    const [wih, whh] = [op.input('w_ih'), op.input('w_hh')]
    const all = [wih, whh, ...op.tensors('b_ih'), ...op.tensors('b_hh')]
    const [before] = states
    if (!before || x.axes.length < 1) return op.freeze('unsupported form')
    const h = hiddenOf(op, whh, kind.gates)
    op.meet(h, MET.hidden)
    for (const t of all) rows(op, t, h)
    columns(op, wih, lastAxis(x), lastZero(x))
    columns(op, whh, h, lastZero(before))
    for (const state of states) op.equate(lastAxis(state), h)
    const batch = x.axes.slice(0, -1)
    for (const state of states) {
      batch.forEach((axis, d) => {
        op.equate(axis, state.axes[d] as Axis)
      })
    }
    const zero = rowsAreZero(all) && decaysToZero(kind, states)
    op.allOutputs().forEach((_, k) => {
      op.output([...batch, h], [...batch.map(() => false), zero], k)
    })
  }

function hiddenOf(op: Op, weight: Tensor, gates: number): Axis {
  const all = weight.axes[0] as Axis
  return op.split(all, all.length / gates, { outer: 0, inner: MET.hidden }).inner
}

/** The outputs of all directions, one after the other. */
function joined(axis: Axis, directions: number): Axis {
  if (directions === 1) return axis
  const both = new Int32Array(axis.length * directions)
  for (let k = 0; k < directions; k++) both.set(axis, k * axis.length)
  return both
}

/** Sequences of several lengths as one list of steps, [T, B, …] to [steps, …]; and back. */
const pack: Relate = (op) => {
  const x = op.input('input')
  for (const axis of x.axes.slice(0, 2)) op.fix(axis, 'steps')
  const [steps = 0] = op.outputShape()
  op.output([fixedAxis(steps), ...x.axes.slice(2)], [false, ...x.zero.slice(2)])
}

const unpack: Relate = (op) => {
  const data = op.input('data')
  op.fix(data.axes[0] as Axis, 'steps')
  const lead = op.outputShape().slice(0, 2)
  const padded = op.number('padding_value') === 0
  op.output(
    [...lead.map(fixedAxis), ...data.axes.slice(1)],
    [...lead.map(() => false), ...data.zero.slice(1).map((zero) => zero && padded)],
  )
}

/** The features of a recurrent layer are those of its weights. */
const recurrentLengths: LengthRule = (op, shape, k) => {
  const x = op.tensor('data', 'input')
  const width = Polynomial.constant(shape.at(-1) as number)
  if (k === 0) return x && [...x.lengths.slice(0, -1), width]
  return shape.map((_, d) => (d === shape.length - 1 ? width : undefined))
}

/** At every step, each matrix once for every row of the batch. */
const recurrentMacs: CountMacs = ({ shape, shapes }) => {
  const data = shape('data')
  const steps = volume((data.length > 0 ? data : shape('input')).slice(0, -1))
  const matrices = shapes('params').filter((weight) => weight.length === 2)
  return steps * matrices.reduce((sum, weight) => sum + volume(weight), 0)
}

/** One step: both matrices for every row of the batch. */
const cellMacs: CountMacs = ({ shape }) =>
  volume(shape('input').slice(0, -1)) * (volume(shape('w_ih')) + volume(shape('w_hh')))

const STACK =
  'hidden units of all layers and directions together, projections, features in; gates, steps and batch stay'
const STEP = 'hidden units, features in; gates and batch stay'
const stack = (kind: Kind) => ({ relate: layers(kind), lengths: recurrentLengths, macs: recurrentMacs })

export const recurrences: Family = [
  ...operators('lstm', STACK, stack(LSTM)),
  ...operators('gru', STACK, stack(GRU)),
  ...operators('rnn_tanh rnn_relu', STACK, stack(RNN)),
  ...operators('lstm_cell', STEP, { relate: cell(LSTM), macs: cellMacs }),
  ...operators('gru_cell', STEP, { relate: cell(GRU), macs: cellMacs }),
  ...operators('rnn_tanh_cell rnn_relu_cell', STEP, { relate: cell(RNN), macs: cellMacs }),
  ...operators('_pack_padded_sequence', 'features; steps and batch stay', { relate: pack }),
  ...operators('_pad_packed_sequence', 'features; steps and batch stay', { relate: unpack }),
]
