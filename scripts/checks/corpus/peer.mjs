// Compares our groups with the peer's, unit by unit. A unit is the set of slices that go together, a slice a string
// `layer in|out coordinate`; weight, bias and statistics of a layer are one slice. Units need no order and no numbers.

/**
 * @typedef {import('./files.mjs').PeerGroup} PeerGroup
 * @typedef {import('./child.mjs').OurGroup} OurGroup
 * @typedef {Set<string>} Unit
 * @typedef {{ label: string, kinds: Set<string>, units: Unit[], reachesOutput: boolean }} Group
 *
 * @typedef {object} Difference
 * @property {Group} peer
 * @property {Group[]} ours         groups that share a slice with it
 * @property {string[]} onlyPeer    `layer in|out`, of units that differ
 * @property {string[]} onlyOurs
 * @property {Set<string>} untaken  layers that only a branch not taken reads
 * @property {string[]} frozen      why what we have not is frozen here
 */

/**
 * @param {PeerGroup} group
 * @returns {Group}
 */
export function peerUnits(group) {
  const units = Array.from({ length: group.n }, () => /** @type {Unit} */ (new Set()))
  for (const { layer, fn, n, idx, root_idx } of group.members) {
    const count = idx ? idx.length : n
    for (let k = 0; k < count; k++) {
      units[root_idx ? /** @type {number} */ (root_idx[k]) : k]?.add(`${layer} ${fn} ${idx ? idx[k] : k}`)
    }
  }
  return {
    label: `${group.root} out`,
    kinds: new Set(group.members.map(({ kind }) => kind)),
    units,
    reachesOutput: group.touches_output,
  }
}

/**
 * @param {OurGroup} group
 * @param {ReadonlySet<string>} layers  names that the peer uses; a raw parameter is a layer of its own there
 * @returns {Group}
 */
export function ourUnits(group, layers) {
  const units = Array.from({ length: group.size }, () => /** @type {Unit} */ (new Set()))
  for (const { name, use, coords, units: owners } of group.members) {
    const layer = layers.has(name) ? name : layerOf(name)
    for (const [k, unit] of owners.entries())
      units[unit]?.add(`${layer} ${use === 'input' ? 'in' : 'out'} ${coords[k]}`)
  }
  return { label: group.members[0]?.name ?? '', kinds: new Set([group.kind]), units, reachesOutput: false }
}

/** @param {string} name of a parameter */
const layerOf = (name) => name.split('.').slice(0, -1).join('.')

/** @param {Unit} unit */
const keyOf = (unit) => [...unit].sort().join(', ')

/** @param {Group} group */
const keysOf = (group) => new Set(group.units.map(keyOf))

/** `layer in|out` of a slice @param {string} slice */
const sideOf = (slice) => slice.slice(0, slice.lastIndexOf(' '))

/**
 * Peer groups that equal one of ours, and the others with what differs.
 * @param {PeerGroup[]} peerGroups
 * @param {OurGroup[]} ourGroups
 * @param {import('./child.mjs').OurFrozen[]} [dimensions]  frozen ones
 * @param {string[]} [untaken]  parameters of branches not taken
 */
export function compareGroups(peerGroups, ourGroups, dimensions = [], untaken = []) {
  const layers = new Set(peerGroups.flatMap(({ members }) => members.map(({ layer }) => layer)))
  const ours = ourGroups.map((group) => ourUnits(group, layers))
  /** Heads and head dims, or whole groups and channels within them, share slices. @type {Map<string, Set<Group>>} */
  const owners = new Map()
  for (const group of ours)
    for (const unit of group.units)
      for (const slice of unit) owners.set(slice, (owners.get(slice) ?? new Set()).add(group))
  let equal = 0
  /** @type {Difference[]} */
  const differences = []
  for (const group of peerGroups) {
    const peer = peerUnits(group)
    const partners = [
      ...new Set(peer.units.flatMap((unit) => [...unit].flatMap((slice) => [...(owners.get(slice) ?? [])]))),
    ]
    const theirs = keysOf(peer)
    const [partner] = partners
    if (partner && partners.length === 1 && !peer.reachesOutput && setsEqual(theirs, keysOf(partner))) equal++
    else differences.push({ ...differenceOf(peer, partners, dimensions), untaken: new Set(untaken.map(layerOf)) })
  }
  return { equal, differences }
}

/**
 * @param {Group} peer
 * @param {Group[]} ours
 * @param {import('./child.mjs').OurFrozen[]} dimensions
 * @returns {Omit<Difference, 'untaken'>}
 */
function differenceOf(peer, ours, dimensions) {
  const a = new Set(peer.units.flatMap((unit) => [...unit]))
  const b = new Set(ours.flatMap(({ units }) => units.flatMap((unit) => [...unit])))
  const sides = (/** @type {Iterable<string>} */ slices) => [...new Set([...slices].map(sideOf))].sort()
  const onlyPeer = sides([...a].filter((slice) => !b.has(slice)))
  const layers = new Set(onlyPeer.map(layerAt))
  const frozen = dimensions.filter(({ name }) => layers.has(name) || layers.has(layerOf(name)))
  return {
    peer,
    ours,
    onlyPeer,
    frozen: [...new Set(frozen.flatMap(({ reasons }) => reasons))].sort(),
    onlyOurs: sides([...b].filter((slice) => !a.has(slice))),
  }
}

/** @param {string} side */
const layerAt = (side) => side.slice(0, side.lastIndexOf(' '))

/** @param {Set<string>} a @param {Set<string>} b */
function setsEqual(a, b) {
  return a.size === b.size && [...a].every((key) => b.has(key))
}

/** @param {Group} group */
const sidesOf = (group) => new Set(group.units.flatMap((unit) => [...unit].map(sideOf)))

/**
 * Whether each unit of `fine` lies within one unit of `coarse`, as far as both number the same slices: a grouped
 * convolution has as many columns as a group has channels, the peer counts them all.
 * @param {Group} fine @param {Group} coarse
 */
function refines(fine, coarse) {
  const owner = new Map(coarse.units.flatMap((unit, k) => [...unit].map((slice) => /** @type {const} */ ([slice, k]))))
  return fine.units.every((unit) => {
    const produced = [...unit].filter((slice) => sideOf(slice).endsWith(' out'))
    return new Set(produced.map((slice) => owner.get(slice))).size === 1 && owner.has(produced[0] ?? '')
  })
}

/** Why we answer otherwise than the peer, most particular first. Each is a rule about groups, never about one model. */
const REASONS = [
  {
    why: 'it reaches the output of the model, which keeps its shape',
    holds: (/** @type {Difference} */ { peer, ours }) => peer.reachesOutput && ours.length === 0,
  },
  {
    why: 'around a grouped convolution a unit is the same channel of every group, or (conv-groups) a whole group',
    holds: (/** @type {Difference} */ { peer, ours }) =>
      ours.some(({ kinds }) => kinds.has('conv-groups')) &&
      ours.some((group) => setsEqual(sidesOf(peer), sidesOf(group)) && refines(peer, group)),
  },
  {
    why: 'the other side of a branch is part of it, which the example of the peer did not take',
    holds: (/** @type {Difference} */ { onlyPeer, onlyOurs, untaken }) =>
      onlyPeer.length === 0 && onlyOurs.length > 0 && onlyOurs.every((side) => untaken.has(layerAt(side))),
  },
  {
    why: 'its units have different slices: one group there, several here, of the same units',
    holds: (/** @type {Difference} */ { peer, ours }) =>
      ours.length > 1 && setsEqual(keysOf(peer), new Set(ours.flatMap((group) => [...keysOf(group)]))),
  },
]

/** @param {Difference} difference */
export function reasonOf(difference) {
  const reason = REASONS.find(({ holds }) => holds(difference))?.why
  const { ours, frozen } = difference
  return reason ?? (ours.length === 0 && frozen.length > 0 ? `frozen here: ${frozen.join(', ')}` : undefined)
}
