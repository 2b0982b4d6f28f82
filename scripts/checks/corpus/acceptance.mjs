// Decides what a row is worth: the law for every file, as many parameters removed as the peer removes where the peer is
// right, and else as many as test/corpus/expectations.json asks for.

import { readFileSync } from 'node:fs'

/**
 * @typedef {object} Expectations
 * @property {number} share_of_peer   of the parameters that the peer removes, where it is right
 * @property {number} least_removed   of the parameters, elsewhere
 * @property {number} least_coverage  below it the frozen dimensions, each with its reason, excuse less
 * @property {number} share_of_models that are really pruned
 * @property {number} peer_error      up to which the peer is right
 *
 * @typedef {object} Row
 * @property {string} file
 * @property {string} mode
 * @property {'pruned' | 'nothing' | 'refused' | 'failed'} status  nothing: the mode has nothing to remove
 * @property {string} [reason]                 why not
 * @property {string} [code]
 * @property {string} [operator]
 * @property {string} [message]                of the error
 * @property {number | null} coverage
 * @property {[number, number] | null} params   before, after
 * @property {[number, number] | null} macs
 * @property {number | null} error              largest relative error, in the strictest precision that the graph allows
 * @property {number | null} sensitivity        least that the mask changes, relative, with refilled weights
 * @property {boolean | null} batch2            null where the original takes no other batch size
 * @property {boolean | null} size2            another image size or sequence length, likewise
 * @property {string[]} unexplained            frozen dimensions of parameters without a reason
 * @property {string[]} [whole]                products of attention of which nothing was removed, with the reason after a colon
 * @property {string[]} [approximate]           norms and means that compute over what is kept
 * @property {boolean | null} python            loads there with equal outputs; null where there is no Python to ask
 * @property {number} ms                        from load to save
 * @property {boolean} passed
 * @property {string[]} problems                why not
 */

/** ms from load to save. */
const LONGEST = 30_000

/** @returns {Expectations} */
export function readExpectations() {
  return JSON.parse(readFileSync(new URL('../../../test/corpus/expectations.json', import.meta.url), 'utf8'))
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
    return { least: expectations.share_of_peer * removed, why: `the peer removes ${percent(removed)}`, byPeer: true }
  }
  return { least: expectations.least_removed, why: 'the peer fails or is wrong', byPeer: false }
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
  if (row.status === 'failed') return []
  if (row.status === 'refused') {
    return row.operator === undefined ? [`refused (${row.code}) without naming an operator`] : []
  }
  if (row.status === 'nothing') {
    const untold = row.unexplained.map((dimension) => `frozen without a reason: ${dimension}`)
    return row.reason === undefined ? ['nothing was removed, without a reason', ...untold] : untold
  }
  const problems = row.ms > LONGEST ? [`took ${row.ms} ms`] : []
  if (row.whole)
    return [
      ...problems,
      ...row.whole.filter((words) => !words.includes(': ')).map((words) => `nothing removed of ${words}`),
    ]
  if (row.params === null) return problems
  const removed = 1 - row.params[1] / row.params[0]
  const { least, why, byPeer } = leastRemoved(expectations, file, row.mode)
  // Where there is no peer to compare with, what is not removed must be told with the operator that keeps it.
  const excused =
    !byPeer && row.unexplained.length === 0 && row.coverage !== null && row.coverage < expectations.least_coverage
  if (removed < least && !excused) {
    problems.push(`removes ${percent(removed)} of the parameters, at least ${percent(least)} wanted (${why})`)
  }
  if (row.unexplained.length > 0) problems.push(`frozen without a reason: ${row.unexplained.join(', ')}`)
  return problems
}

/**
 * Models, all of whose files are really pruned, must be nearly all of those of which some mode has something to remove.
 * @param {Row[]} rows
 * @param {Expectations} expectations
 * @returns {{ pruned: number, models: number, enough: boolean }}
 */
export function countPruned(rows, { share_of_models: share }) {
  const models = new Map()
  for (const { file, status } of rows) {
    if (status === 'nothing') continue
    const name = file.split('.')[0]
    models.set(name, (models.get(name) ?? true) && status === 'pruned')
  }
  const pruned = [...models.values()].filter(Boolean).length
  return { pruned, models: models.size, enough: pruned >= share * models.size }
}

/** @param {number} x */
export const percent = (x) => `${(100 * x).toFixed(1)} %`
