import { volume } from '../base/numbers.js'
import { maybe, signature } from '../base/schema/index.js'
import { type Analysis, flatArgs, type OpEntry, type Removed, type ValueId } from '../groups/index.js'
import { ANALYSIS, REMOVED } from '../groups/schemas.js'
import { mustBeUnitsOf, Widths } from '../groups/widths.js'
import { operatorOf } from '../operators/catalogue.js'

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

/** @internal */
export const COUNT_SIZE = signature('countSize', ['analysis', ANALYSIS], ['removed', maybe(REMOVED)])

/** @internal */
export const COUNT_OPERATORS = signature('countOperators', ['analysis', ANALYSIS], ['removed', maybe(REMOVED)])

/**
 * Parameters and MACs once the units of `removed` are gone; none for the model as it is.
 *
 * @param removed as `removedUnits` gives them
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { countSize, removedUnits } from 'espalier/analysis'
 *
 * const prunable = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const removed = removedUnits(prunable.analysis, { removed: [{ group: 0, units: [1] }] })
 * console.log(countSize(prunable.analysis), countSize(prunable.analysis, removed))
 * // { params: 145, macs: 6932 } { params: 110, macs: 5199 }
 * ```
 */
export function countSize(analysis: Analysis, removed: Removed = new Uint8Array(0)): Size {
  COUNT_SIZE.check(analysis, removed)
  mustBeUnitsOf(analysis, removed)
  const widths = new Widths(analysis, removed)
  let macs = 0
  for (const op of executed(analysis)) macs += macsOf(op, analysis, widths)
  let params = 0
  analysis.record.values.forEach((value, id) => {
    if (value.kind === 'tensor' && value.role === 'parameter') params += volume(widths.shape(id))
  })
  return { params, macs }
}

/**
 * The size of a model operator by operator, in the order of the run: those that have parameters or count MACs. A parameter
 * counts where it is first read.
 *
 * @param removed units that are gone, as `removedUnits` gives them; none for the model as it is
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { countOperators } from 'espalier/analysis'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * for (const { operator, params, macs } of countOperators(analysis)) console.log(operator, params, macs)
 * // aten::conv2d 112 6912
 * // aten::batch_norm 8 0
 * // aten::linear 25 20
 * ```
 */
export function countOperators(analysis: Analysis, removed: Removed = new Uint8Array(0)): OperatorSize[] {
  COUNT_OPERATORS.check(analysis, removed)
  mustBeUnitsOf(analysis, removed)
  return [...operatorSizes(analysis, removed)].flatMap(([{ name, scope }, { params, macs }]) =>
    params + macs > 0 ? [{ operator: name, scope, params, macs }] : [],
  )
}

/** What each operator of the run costs, in its order. */
export function operatorSizes(analysis: Analysis, removed: Removed): Map<OpEntry, Size> {
  const widths = new Widths(analysis, removed)
  const seen = new Set<ValueId>()
  const sizes = executed(analysis).map((op): [OpEntry, Size] => {
    const own = op.inputs
      .flatMap((arg) => flatArgs(arg))
      .filter((id) => {
        const value = analysis.record.values[id]
        return value?.kind === 'tensor' && value.role === 'parameter' && !seen.has(id)
      })
    for (const id of own) seen.add(id)
    const params = [...new Set(own)].reduce((sum, id) => sum + volume(widths.shape(id)), 0)
    return [op, { params, macs: macsOf(op, analysis, widths) }]
  })
  return new Map(sizes)
}

/** What ran in `forward`, in order. */
export function executed({ record, live }: Analysis): OpEntry[] {
  return record.ops.slice(0, record.forwardOps).filter((op) => live.has(op) && !op.speculative)
}

function macsOf(op: OpEntry, { record }: Analysis, widths: Widths): number {
  const count = operatorOf(op.name, op.overload)?.macs
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
