import { maybe, signature } from '../base/schema/index.js'
import { type Analysis, flatArgs, type OpEntry, type Removed, type ValueId } from '../groups/index.js'
import { ANALYSIS, REMOVED } from '../groups/schemas.js'
import { Widths } from '../groups/widths.js'

/** Size of a model by the record: parameters (elements, tied ones once) and multiply-adds on the example inputs. */
export interface Size {
  params: number
  /**
   * One multiply-add is one MAC. Counted are the sums of products: convolutions, linear layers, products of matrices,
   * attention and recurrent layers, for the batch of the example; what goes element by element is not.
   */
  macs: number
}

/** What one operator of a run costs. */
export interface OperatorSize extends Size {
  /** `aten::conv2d` */
  operator: string
  /** Module path in which it ran; empty for the root. */
  scope: string
}

/** An operator as the table below sees it: shapes of its arguments and of its first output. */
interface Counted {
  shape(argument: string): readonly number[]
  shapes(argument: string): readonly (readonly number[])[]
  scalar(argument: string): unknown
  output: readonly number[]
}

type Count = (op: Counted) => number

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1)

/** Each output is a sum over the window and the input channels of its group. */
const perOutput: Count = ({ shape, output }) => product(output) * product(shape('weight').slice(1))
/** Each input is spread over the window and the output channels of its group. */
const perInput: Count = ({ shape }) => product(shape('input')) * product(shape('weight').slice(1))
const contraction =
  (a: string): Count =>
  ({ shape, output }) =>
    product(output) * (shape(a).at(-1) ?? 1)

/** Every term of every sum: where the sums are shared out to groups, each term is in one of them. */
const grouped: Count = ({ shape, output }) => {
  const [a, b] = [shape('self'), shape('mat2')]
  return product(output) * (a.at(-1) ?? 1) * (a.length === 2 && b.length === 2 ? 1 / (output[0] ?? 1) : 1)
}

/** `q kᵀ` and the product with `v`, for every head. */
const attention: Count = ({ shape }) => {
  const [q, k, v] = [shape('query'), shape('key'), shape('value')]
  return product(q.slice(0, -1)) * (k.at(-2) ?? 1) * ((q.at(-1) ?? 0) + (v.at(-1) ?? 0))
}

/** At every step, each matrix once for every row of the batch. */
const recurrent: Count = ({ shape, shapes }) => {
  const data = shape('data')
  const steps = product((data.length > 0 ? data : shape('input')).slice(0, -1))
  const matrices = shapes('params').filter((weight) => weight.length === 2)
  return steps * matrices.reduce((sum, weight) => sum + product(weight), 0)
}

/** One step: both matrices for every row of the batch. */
const cell: Count = ({ shape }) =>
  product(shape('input').slice(0, -1)) * (product(shape('w_ih')) + product(shape('w_hh')))

/** Operands one after the other from the left; each product runs over all letters of its two operands. */
const einsum: Count = ({ shapes, scalar }) => {
  const [left = '', right = ''] = String(scalar('equation')).replaceAll(' ', '').split('->')
  const terms = left.split(',')
  const sizes = new Map<string, number>()
  const named = shapes('tensors').map((shape, k) => {
    const term = terms[k] ?? ''
    const spare = shape.length - term.replace('...', '').length
    const dots = Array.from({ length: spare }, (_, i) => `.${spare - i}`)
    const [before = '', after = ''] = term.split('...')
    const letters = term.includes('...') ? [...before, ...dots, ...after] : [...term]
    letters.forEach((letter, d) => {
      sizes.set(letter, Math.max(sizes.get(letter) ?? 1, shape[d] ?? 1))
    })
    return letters
  })
  let total = 0
  let held = new Set(named[0])
  named.slice(1).forEach((letters, k) => {
    const both = new Set([...held, ...letters])
    total += product([...both].map((letter) => sizes.get(letter) ?? 1))
    const later = new Set([...right, ...named.slice(k + 2).flat()])
    held = new Set([...both].filter((letter) => letter.startsWith('.') || later.has(letter)))
  })
  return total
}

const COUNTS: ReadonlyMap<string, Count> = new Map([
  ['conv1d', perOutput],
  ['conv2d', perOutput],
  ['conv3d', perOutput],
  ['conv_transpose1d', perInput],
  ['conv_transpose2d', perInput],
  ['conv_transpose3d', perInput],
  ['_convolution', (op) => (op.scalar('transposed') === true ? perInput(op) : perOutput(op))],
  ['_convolution_mode', perOutput],
  ['convolution', (op) => (op.scalar('transposed') === true ? perInput(op) : perOutput(op))],
  ['linear', contraction('input')],
  ['bilinear', ({ shape, output }) => product(output) * product(shape('weight').slice(1))],
  ['matmul', contraction('self')],
  ['mm', contraction('self')],
  ['bmm', contraction('self')],
  ['mv', contraction('self')],
  ['dot', contraction('self')],
  ['vdot', contraction('self')],
  ['addmm', contraction('mat1')],
  ['addmv', contraction('mat')],
  ['baddbmm', contraction('batch1')],
  ['_grouped_mm', grouped],
  ['einsum', einsum],
  ['scaled_dot_product_attention', attention],
  ['lstm', recurrent],
  ['gru', recurrent],
  ['rnn_tanh', recurrent],
  ['rnn_relu', recurrent],
  ['lstm_cell', cell],
  ['gru_cell', cell],
  ['rnn_tanh_cell', cell],
  ['rnn_relu_cell', cell],
])

/** @internal */
export const COUNT_SIZE = signature('countSize', ['analysis', ANALYSIS], ['removed', maybe(REMOVED)])

/** @internal */
export const COUNT_OPERATORS = signature('countOperators', ['analysis', ANALYSIS], ['removed', maybe(REMOVED)])

/** Parameters and MACs once the units of `removed` are gone; none for the model as it is. */
export function countSize(analysis: Analysis, removed: Removed = new Uint8Array(0)): Size {
  COUNT_SIZE.check(analysis, removed)
  const widths = new Widths(analysis, removed)
  let macs = 0
  for (const op of executed(analysis)) macs += macsOf(op, analysis, widths)
  let params = 0
  analysis.record.values.forEach((value, id) => {
    if (value.kind === 'tensor' && value.role === 'parameter') params += product(widths.shape(id))
  })
  return { params, macs }
}

/**
 * The size of a model operator by operator, in the order of the run: those that have parameters or count MACs. A parameter
 * counts where it is first read.
 *
 * @param removed units that are gone; none for the model as it is
 */
export function countOperators(analysis: Analysis, removed: Removed = new Uint8Array(0)): OperatorSize[] {
  COUNT_OPERATORS.check(analysis, removed)
  const widths = new Widths(analysis, removed)
  const seen = new Set<ValueId>()
  return executed(analysis).flatMap((op) => {
    const own = op.inputs
      .flatMap((arg) => flatArgs(arg))
      .filter((id) => {
        const value = analysis.record.values[id]
        return value?.kind === 'tensor' && value.role === 'parameter' && !seen.has(id)
      })
    for (const id of own) seen.add(id)
    const params = [...new Set(own)].reduce((sum, id) => sum + product(widths.shape(id)), 0)
    const macs = macsOf(op, analysis, widths)
    return params + macs > 0 ? [{ operator: op.name, scope: op.scope, params, macs }] : []
  })
}

function executed({ record, live }: Analysis): OpEntry[] {
  return record.ops.filter((op) => live.has(op) && !op.speculative)
}

function macsOf(op: OpEntry, { record }: Analysis, widths: Widths): number {
  const count = COUNTS.get(op.name.replace(/^aten::/, ''))
  if (!count) return 0
  const ids = (argument: string) => flatArgs(op.inputs[op.argNames.indexOf(argument)] ?? [])
  const shapes = (argument: string) => ids(argument).map((id) => widths.shape(id))
  const [output] = op.outputs.flatMap((arg) => flatArgs(arg))
  return count({
    shapes,
    shape: (argument) => shapes(argument)[0] ?? [],
    scalar: (argument) => {
      const value = record.values[ids(argument)[0] ?? -1]
      return value && value.kind !== 'tensor' ? value.value : undefined
    },
    output: output === undefined ? [] : widths.shape(output),
  })
}
