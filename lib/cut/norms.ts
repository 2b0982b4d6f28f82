import { EspalierError } from '../base/errors.js'
import { type Analysis, keptCoordinates, type Norm, type Removed, type TensorValue } from '../groups/index.js'
import { operatorOf } from '../operators/catalogue.js'
import type { Averaged } from '../operators/source.js'
import { axisOf, changes } from '../plan/approximate.js'
import type { Rewrite } from '../torch/index.js'

/**
 * Edits of the original that make norms and means compute over what a plan keeps, where nothing else can be proved: the
 * measure of an approximate cut. What a norm no longer gives is put back as zeros.
 */
export const normsOverKept = (analysis: Analysis, removed: Removed): Rewrite[] =>
  rewritten(analysis, removed, 'overKept')

/** Edits of the small model that make norms and means compute what they did with zeros where units are gone. */
export const normsOfAll = (analysis: Analysis, removed: Removed): Rewrite[] => rewritten(analysis, removed, 'exact')

function rewritten(analysis: Analysis, removed: Removed, form: 'overKept' | 'exact'): Rewrite[] {
  const runs = new Map<Norm['op'], Averaged>()
  for (const norm of analysis.norms) {
    const axis = axisOf(analysis, norm)
    if (norm.exact !== (form === 'exact') || !changes(analysis, norm, axis, removed)) continue
    const known = runs.get(norm.op) ?? averaged(analysis, norm)
    const cut = { dim: norm.dim, size: axis.size, keep: keptCoordinates(axis, removed) }
    runs.set(norm.op, { ...known, cut: [...known.cut, cut] })
  }
  const rewrites = new Map<number, Rewrite>()
  for (const [op, run] of runs) {
    const source = operatorOf(op.name, op.overload)?.[form]?.(run)
    const edit = source && { node: op.node, ...source }
    const known = rewrites.get(op.node)
    if (!edit || (known && JSON.stringify(known) !== JSON.stringify(edit))) {
      const why = edit ? 'runs several times over different axes' : 'has no form for a cut'
      throw new EspalierError('ERR_UNSUPPORTED', `${op.name} in '${op.scope}' ${why}, and can't be cut`)
    }
    rewrites.set(op.node, edit)
  }
  return [...rewrites.values()]
}

function averaged({ record }: Analysis, { op, value: input, dims }: Norm): Averaged {
  const value = (argument: string) => {
    const id = op.inputs[op.argNames.indexOf(argument)]
    return typeof id === 'number' ? record.values[id] : undefined
  }
  return {
    ...{
      name: op.name,
      argNames: op.argNames,
      rank: (record.values[input] as TensorValue).shape.length,
      dims,
      cut: [],
    },
    isTensor: (argument) => value(argument)?.kind === 'tensor',
    number: (argument) => {
      const known = value(argument)
      return known?.kind === 'int' || known?.kind === 'float' ? (known.value as number) : undefined
    },
  }
}
