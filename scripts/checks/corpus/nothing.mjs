// Why a mode has nothing to remove of a model: no fault of the pruning, as long as there is a reason.

import { ATTENTION_KINDS } from './attention.mjs'

/** Units that a plain ratio leaves alone. */
const OUTER = ['heads', 'conv-groups']

/**
 * In words; undefined where the mode has units to remove.
 *
 * @param {import('espalier').ChannelGroups} analysis
 * @param {string} mode @param {number} ratio
 * @returns {string | undefined}
 */
export function whyNothing({ groups, topReasons }, mode, ratio) {
  if (groups.length === 0) {
    const reasons = topReasons.slice(0, 2).map(({ reason }) => [reason.kind, reason.operator].filter(Boolean).join(' '))
    return reasons.length > 0 ? `no group: ${reasons.join(', ')}` : undefined
  }
  const kinds = ATTENTION_KINDS[mode]
  const own = groups.filter(({ kind }) => (kinds ? kinds.includes(kind) : !OUTER.includes(kind)))
  if (own.length === 0) return `no group of ${kinds ? kinds.join(' or ') : 'inner units'}`
  const allowed = mode === 'exact' ? own.filter(({ exact }) => exact) : own
  if (allowed.length === 0) return `no exact group: ${own[0]?.approximation[0]}`
  const largest = Math.max(...allowed.map(({ size }) => size))
  return Math.floor(ratio * largest) === 0 ? `no group of more than ${largest} units` : undefined
}
