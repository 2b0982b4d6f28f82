import type { Analysis, OpEntry, Removed } from '../graph/index.js'
import { Widths } from './widths.js'

/** Size of a model by the record: parameters (elements, tied ones once) and multiply-adds on the example inputs. */
export interface Size {
  params: number
  /** One multiply-add is one MAC; convolutions, linear layers and matrix products count, for the example's batch. */
  macs: number
}

/** MACs of an operator from the shapes of its arguments and its first output. */
type Count = (shape: (argument: string) => readonly number[], output: readonly number[]) => number

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1)

const perOutput: Count = (shape, output) => product(output) * product(shape('weight').slice(1))
const perInput: Count = (shape) => product(shape('input')) * product(shape('weight').slice(1))
const contraction =
  (a: string): Count =>
  (shape, output) =>
    product(output) * (shape(a).at(-1) ?? 1)

const COUNTS: ReadonlyMap<string, Count> = new Map([
  ['aten::conv1d', perOutput],
  ['aten::conv2d', perOutput],
  ['aten::conv3d', perOutput],
  ['aten::conv_transpose1d', perInput],
  ['aten::conv_transpose2d', perInput],
  ['aten::conv_transpose3d', perInput],
  ['aten::linear', contraction('input')],
  ['aten::matmul', contraction('self')],
  ['aten::mm', contraction('self')],
  ['aten::bmm', contraction('self')],
  ['aten::addmm', contraction('mat1')],
])

/** Parameters and MACs once the units of `removed` are gone; none for the model as it is. */
export function countSize(analysis: Analysis, removed: Removed = new Uint8Array(0)): Size {
  const widths = new Widths(analysis, removed)
  let macs = 0
  for (const op of analysis.record.ops) {
    if (analysis.live.has(op) && !op.speculative) macs += macsOf(op, analysis, widths)
  }
  let params = 0
  analysis.record.values.forEach((value, id) => {
    if (value.kind === 'tensor' && value.role === 'parameter') params += product(widths.shape(id))
  })
  return { params, macs }
}

function macsOf(op: OpEntry, analysis: Analysis, widths: Widths): number {
  const convolution = op.name === 'aten::_convolution' || op.name === 'aten::convolution'
  const count = convolution ? (isTransposed(op, analysis) ? perInput : perOutput) : COUNTS.get(op.name)
  if (!count) return 0
  const output = op.outputs[0]
  return count(
    (argument) => {
      const id = op.inputs[op.argNames.indexOf(argument)]
      return typeof id === 'number' ? widths.shape(id) : []
    },
    typeof output === 'number' ? widths.shape(output) : [],
  )
}

function isTransposed(op: OpEntry, analysis: Analysis): boolean {
  const id = op.inputs[op.argNames.indexOf('transposed')]
  const value = typeof id === 'number' ? analysis.record.values[id] : undefined
  return value?.kind === 'bool' && value.value === true
}
