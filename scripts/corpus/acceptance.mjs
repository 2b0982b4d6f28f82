// Decides what a row is worth: the law for every file, and for the models in test/corpus/expectations.json as many
// parameters removed as the peer removes where the peer is right.

import { readFileSync } from 'node:fs'

/**
 * @typedef {{ models: string[], share_of_peer: number, least_removed: number, peer_error: number }} Expectations
 *
 * @typedef {object} Row
 * @property {string} file
 * @property {string} mode
 * @property {'pruned' | 'refused' | 'failed'} status
 * @property {string} [code]
 * @property {string} [operator]
 * @property {string} [message]                of the error
 * @property {number | null} coverage
 * @property {[number, number] | null} params   before, after
 * @property {[number, number] | null} macs
 * @property {number | null} error              largest relative error, in the strictest precision that the graph allows
 * @property {number | null} sensitivity        least that the mask changes, relative, with refilled weights
 * @property {boolean | null} batch2            null where the original takes no other batch size
 * @property {boolean | null} python            loads there with equal outputs; null where there is no Python to ask
 * @property {number} ms                        from load to save
 * @property {boolean} passed
 * @property {string[]} problems                why not
 */

/** @returns {Expectations} */
export function readExpectations() {
  return JSON.parse(readFileSync(new URL('../../test/corpus/expectations.json', import.meta.url), 'utf8'))
}

/**
 * Fraction of the parameters that must go, with where the figure comes from.
 * @param {Expectations} expectations
 * @param {import('./files.mjs').CorpusFile} file
 * @param {string} mode
 */
export function leastRemoved(expectations, file, mode) {
  const peer = mode === 'local' ? file.peer?.local : file.peer?.global
  if (file.peer && peer && isRight(file.peer, peer, expectations.peer_error)) {
    const removed = 1 - /** @type {number} */ (peer.params_after) / /** @type {number} */ (peer.params_before)
    return { least: expectations.share_of_peer * removed, why: `the peer removes ${percent(removed)}` }
  }
  return { least: expectations.least_removed, why: 'the peer fails or is wrong' }
}

/**
 * The peer is right when it prunes and its own masked model gives the same outputs, no norm across channels involved.
 * @param {import('./files.mjs').Peer} peer
 * @param {import('./files.mjs').PeerPruning | undefined} pruning
 * @param {number} tolerance
 */
export function isRight(peer, pruning, tolerance) {
  const check = pruning?.masked_equivalence
  return (
    peer.graph_ok &&
    pruning?.ok === true &&
    typeof check?.rel === 'number' &&
    check.rel <= tolerance &&
    check.cross_channel_norms === 0
  )
}

/**
 * What is missing for a row to pass, beyond the problems that the oracle has found.
 * @param {Omit<Row, 'passed' | 'problems'>} row
 * @param {import('./files.mjs').CorpusFile} file
 * @param {Expectations} expectations
 * @returns {string[]}
 */
export function shortfalls(row, file, expectations) {
  const named = expectations.models.includes(file.name)
  if (row.status === 'failed') return []
  if (row.status === 'refused') {
    if (named) return [`refused (${row.code}), but this model must be pruned`]
    return row.operator === undefined ? [`refused (${row.code}) without naming an operator`] : []
  }
  if (!named || row.params === null) return []
  const problems = []
  const removed = 1 - row.params[1] / row.params[0]
  const { least, why } = leastRemoved(expectations, file, row.mode)
  if (removed < least)
    problems.push(`removes ${percent(removed)} of the parameters, at least ${percent(least)} wanted (${why})`)
  if (row.python !== null && row.batch2 !== true) problems.push('does not run at a second batch size')
  return problems
}

/** @param {number} x */
export const percent = (x) => `${(100 * x).toFixed(1)} %`
