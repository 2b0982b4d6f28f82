// Attention in a model: products of two activations, and whether a plan took heads or head dimensions out of each.

import { flatArgs, keptSize, removedUnits } from 'espalier/analysis'

/** Modes that remove units of attention alone. @type {Readonly<Record<string, readonly string[]>>} */
export const ATTENTION_KINDS = {
  heads: ['heads'],
  'head-dims': ['head-dims'],
  'heads+dims': ['heads', 'head-dims'],
}

const PRODUCTS = new Set(
  ['matmul', 'bmm', 'baddbmm', 'einsum', 'scaled_dot_product_attention'].map((name) => `aten::${name}`),
)

/** @param {import('espalier').Analysis} analysis */
export function hasAttention(analysis) {
  return analysis.groups.some(({ kind }) => kind === 'heads' || kind === 'head-dims')
}

/**
 * The products of activations of which the plan left everything, each with what ties it.
 *
 * @param {import('espalier').Analysis} analysis
 * @param {Pick<import('espalier').Plan, 'removed'>} plan
 * @param {readonly string[]} kinds
 * @returns {string[]}
 */
export function attentionKept(analysis, plan, kinds) {
  const removed = removedUnits(analysis, plan)
  /** @type {string[]} */
  const kindOfUnit = analysis.groups.flatMap(({ kind, size }) => Array(size).fill(kind))
  return [...analysis.live].filter(isProduct(analysis)).flatMap((op) => {
    const values = [...op.inputs, ...op.outputs].flatMap((arg) => flatArgs(arg))
    const axes = values.flatMap((id) => analysis.axesOf(id) ?? [])
    return kinds.flatMap((kind) => {
      const own = axes.filter(({ units }) => units.some((unit) => kindOfUnit[unit] === kind))
      if (own.some((axis) => keptSize(axis, removed) < axis.size)) return []
      return [`${kind} of ${op.name} in '${op.scope}'${why(analysis, own.length, op)}`]
    })
  })
}

/** @param {import('espalier').Analysis} analysis */
const isProduct = (analysis) => (/** @type {import('espalier/analysis').OpEntry} */ op) => {
  if (!PRODUCTS.has(op.name)) return false
  const tensors = op.inputs.flatMap((arg) => flatArgs(arg)).map((id) => analysis.record.values[id])
  const made = tensors.filter((value) => value?.kind === 'tensor' && value.role === undefined)
  return made.length > 1
}

/** @param {import('espalier').Analysis} analysis @param {number} found @param {import('espalier/analysis').OpEntry} op */
function why(analysis, found, op) {
  if (found > 0) return ''
  const values = op.inputs.flatMap((arg) => flatArgs(arg)).filter((id) => analysis.record.values[id]?.kind === 'tensor')
  const axes = values.flatMap((id) => analysis.provenance.axes(id) ?? [])
  const reasons = axes.flatMap((axis) => analysis.provenance.reasons(axis[0] ?? 0))
  // Of the batch and the positions nobody expects more.
  const told = reasons
    .filter(({ kind }) => kind !== 'model input')
    .map((r) => [r.kind, r.operator].filter(Boolean).join(' '))
  if (told.length > 0) return `: fixed by ${[...new Set(told)].slice(0, 3).join(', ')}`
  const shapes = values.map(
    (id) => `[${/** @type {import('espalier/analysis').TensorValue} */ (analysis.record.values[id]).shape}]`,
  )
  return `: no such unit in ${shapes.join(' and ')}`
}
