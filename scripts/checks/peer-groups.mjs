// Compares the channel groups of every model with the peer's, where the peer is right, and
// lists every difference with its reason. Ends with a status of 1 when a difference has none.
//
//   npm run peer -- [--corpus DIR] [--only NAME]

import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isRight, readExpectations } from './corpus/acceptance.mjs'
import { runChild } from './corpus/child.mjs'
import { listCorpus } from './corpus/files.mjs'
import { compareGroups, reasonOf } from './corpus/peer.mjs'

const { values } = parseArgs({
  options: {
    corpus: { type: 'string', default: fileURLToPath(new URL('../../../shared/models', import.meta.url)) },
    only: { type: 'string', default: '' },
  },
})
/** @param {string[]} names */
const shortened = (names) => (names.length > 6 ? [...names.slice(0, 6), `… (${names.length})`] : names).join(', ')

/** @param {import('./corpus/peer.mjs').Difference} difference */
function describe({ peer, ours, onlyPeer, onlyOurs }) {
  const parts = [
    peer.label,
    onlyPeer.length > 0 && `only theirs ${shortened(onlyPeer)}`,
    onlyOurs.length > 0 && `only ours ${shortened(onlyOurs)}`,
    onlyPeer.length + onlyOurs.length === 0 && `the same slices in other units, ${ours.length} groups here`,
  ]
  return parts.filter(Boolean).join('; ')
}

const expectations = readExpectations()
const total = { equal: 0, explained: 0, unexplained: 0 }
for (const file of listCorpus(values.corpus)) {
  const { peer } = file
  if (!file.file.includes(values.only)) continue
  if (!peer?.groups || !isRight(peer, peer.local, expectations.peer_error)) {
    console.log(`${file.file}: not compared, the peer does not prune it right`)
    continue
  }
  const { analysed } = await runChild({ path: file.path, io: file.io, modes: [], ratio: 0, out: '' })
  if (!analysed) {
    console.log(`${file.file}: there are no groups to compare, the analysis failed`)
    total.unexplained += 1
    continue
  }
  const { equal, differences } = compareGroups(peer.groups, analysed.groups, analysed.dimensions, analysed.untaken)
  const explained = differences.filter((difference) => reasonOf(difference) !== undefined).length
  total.equal += equal
  total.explained += explained
  total.unexplained += differences.length - explained
  console.log(`${file.file}: ${equal} of ${equal + differences.length} groups equal`)
  /** @type {Map<string, string[]>} */
  const byReason = new Map()
  for (const difference of differences) {
    const reason = reasonOf(difference)
    if (reason === undefined) console.log(`  NO REASON KNOWN: ${describe(difference)}`)
    else byReason.set(reason, [...(byReason.get(reason) ?? []), difference.peer.label])
  }
  for (const [reason, labels] of byReason) console.log(`  ${reason}: ${shortened(labels)}`)
}
console.log(`${total.equal} groups equal, ${total.explained} differ with a reason, ${total.unexplained} without`)
process.exitCode = total.unexplained > 0 ? 1 : 0
