import { type Axis, fixedAxis } from '../axes.js'
import { MET } from '../coordinates.js'
import type { Tensor } from '../op.js'
import { type Rule, type RuleTable, rules } from './rule.js'

/**
 * Recurrent layers with `gates` gates. Their weights come as a flat list: for each layer and direction w_ih [gates·H, in],
 * w_hh [gates·H, H or P], the two biases [gates·H], and with a projection w_hr [P, H].
 *
 * All layers and directions share one hidden axis H, since their states are one tensor each (h_n, c_n); with a projection
 * P is another one. A dead unit stays zero from a zero state: every gate sees zeros, and the candidate is tanh(0).
 */
const recurrent =
  (gates: number): Rule =>
  (op) => {
    const x = op.tensor('data') ?? op.input('input')
    const weights = op.tensors('params')
    const states = op.tensors('hx')
    const biased = op.flag('has_biases')
    const directions = op.flag('bidirectional') ? 2 : 1
    const cells = op.int('num_layers', 1) * directions
    const each = weights.length / cells
    const projected = each === (biased ? 5 : 3)
    if (!Number.isInteger(each) || each < 2) return op.freeze('unsupported form')

    const last = weights[each - 1] as Tensor
    const rows = weights[0]?.axes[0] as Axis
    const hidden = op.split(rows, rows.length / gates, { outer: 0, inner: MET.hidden })
    op.fix(hidden.outer, 'gates')
    const h = hidden.inner
    const out = projected ? (last.axes[0] as Axis) : h
    op.meet(out, MET.hidden)

    let input = x.axes[x.axes.length - 1] as Axis
    for (let cell = 0; cell < cells; cell += directions) {
      for (let k = cell; k < cell + directions; k++) {
        const [wih, whh, ...rest] = weights.slice(k * each, (k + 1) * each) as [Tensor, Tensor, ...Tensor[]]
        for (const t of [wih, whh, ...rest.slice(0, biased ? 2 : 0)]) {
          const gate = op.split(t.axes[0] as Axis, (t.axes[0] as Axis).length / gates, { outer: 0, inner: MET.hidden })
          op.fix(gate.outer, 'gates')
          op.equate(gate.inner, h)
          op.use(t, 0, t.axes.length > 1 ? 'output' : 'bias')
        }
        op.equate(wih.axes[1] as Axis, input)
        op.equate(whh.axes[1] as Axis, out)
        op.use(wih, 1, 'input')
        op.use(whh, 1, 'input')
        const project = projected ? rest[rest.length - 1] : undefined
        if (project) {
          op.equate(project.axes[0] as Axis, out)
          op.equate(project.axes[1] as Axis, h)
          op.use(project, 0, 'output')
          op.use(project, 1, 'input')
        }
      }
      input = directions === 1 ? out : concatenated(out)
    }
    const [first, second] = states
    for (const [state, axis] of [
      [first, out],
      [second, h],
    ] as const) {
      if (!state) continue
      const own = state.axes[state.axes.length - 1] as Axis
      // A state that is not zero where it is dead would leak into the other units' past.
      if (!state.zero[state.zero.length - 1]) op.fix(own, 'state that is not zero when dead')
      op.equate(own, axis)
    }
    const batch = x.axes.slice(0, -1)
    for (const axis of batch) op.fix(axis, 'steps')
    op.output([...batch, input], [...batch.map(() => false), true])
    for (const [k, axis] of [out, h].entries()) {
      const lead = op.outputShape(k + 1).slice(0, -1)
      op.output([...lead.map(fixedAxis), axis], [...lead.map(() => false), true], k + 1)
    }
  }

function concatenated(axis: Axis): Axis {
  const both = new Int32Array(axis.length * 2)
  both.set(axis)
  both.set(axis, axis.length)
  return both
}

export const recurrentRules: RuleTable = new Map<string, Rule>([
  ...rules(recurrent(4), 'lstm'),
  ...rules(recurrent(3), 'gru'),
  ...rules(recurrent(1), 'rnn_tanh rnn_relu'),
])
