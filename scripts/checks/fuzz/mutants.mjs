// Damaged and hostile variants of a sound TorchScript file. The same seed gives the same variants.

import { deepPrograms, hostilePickles } from './hostile.mjs'
import { centralHeaders, readZip, writeZip } from './zip.mjs'

/**
 * @typedef {import('./zip.mjs').Entry} Entry
 * @typedef {{ kind: string, bytes: Buffer }} Mutant
 * @typedef {{ bytes: Buffer, entries: Entry[], random: Random }} Original
 */

/** Park and Miller's generator: what matters is that a seed gives the same numbers everywhere. */
export class Random {
  #state
  /** @param {number} seed */
  constructor(seed) {
    this.#state = (seed % 2147483646) + 1
  }
  /** A whole number from 0 to `below` - 1. @param {number} below */
  below(below) {
    this.#state = (this.#state * 48271) % 2147483647
    return this.#state % below
  }
  /** @template T @param {readonly T[]} items @returns {T} */
  pick(items) {
    return /** @type {T} */ (items[this.below(items.length)])
  }
}

/** @param {Buffer} bytes @param {Random} random @param {{ from?: number, to?: number, bits?: number }} [options] */
function flipped(bytes, random, { from = 0, to = bytes.length, bits = 1 } = {}) {
  const copy = Buffer.from(bytes)
  for (let i = 0; i < bits && to > from; i++) {
    const at = from + random.below(to - from)
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
  }
  return copy
}

/** The archive with the content of some entries changed, and their checksums right. */
/** @param {Original} original @param {(name: string) => boolean} which @param {(data: Buffer) => Buffer} change */
function edited({ entries, random }, which, change) {
  const target = random.pick(entries.filter(({ name }) => which(name)).concat(entries.slice(0, 1)))
  return writeZip(entries.map((entry) => (entry === target ? { ...entry, data: change(entry.data) } : entry)))
}

const isPickle = (/** @type {string} */ name) => name.endsWith('/data.pkl')
const isProgram = (/** @type {string} */ name) => name.endsWith('.py')
const isTensor = (/** @type {string} */ name) => name.includes('/data/')

/** Flips of bits in one kind of entry. @param {(name: string) => boolean} which */
const flipsIn = (which) => (/** @type {Original} */ original) =>
  edited(original, which, (data) => flipped(data, original.random, { bits: original.random.pick([1, 3, 20]) }))

/** A whole number in a pickle becomes another one. @param {Original} original @param {number[]} values */
function otherInteger(original, values) {
  return edited(original, isPickle, (data) => {
    const places = [...data.keys()].filter((at) => data[at] === 0x4b) // BININT1: K and a byte
    const at = original.random.pick(places)
    const number = Buffer.alloc(5)
    number.write('J')
    number.writeInt32LE(original.random.pick(values), 1)
    return Buffer.concat([data.subarray(0, at), number, data.subarray(at + 2)])
  })
}

/** @param {Buffer} bytes @param {Random} random */
function lyingSize(bytes, random) {
  const copy = Buffer.from(bytes)
  const at = random.pick(centralHeaders(copy)) + random.pick([20, 24, 42])
  copy.writeUInt32LE(random.pick([0, 1, 3, 0x7fffffff, 0xfffffff0, 0xffffffff, random.below(1 << 20)]), at)
  return copy
}

/** @type {Readonly<Record<string, (original: Original) => Buffer>>} */
const KINDS = {
  'flip anywhere': ({ bytes, random }) => flipped(bytes, random),
  'flip in the table of contents': ({ bytes, random }) =>
    flipped(bytes, random, { from: bytes.indexOf('PK\x01\x02', 0, 'latin1') }),
  'flip in the last bytes': ({ bytes, random }) => flipped(bytes, random, { from: bytes.length - 22, bits: 3 }),
  truncated: ({ bytes, random }) => bytes.subarray(0, random.below(bytes.length)),
  'size that lies': ({ bytes, random }) => lyingSize(bytes, random),
  deflated: ({ entries }) => writeZip(entries, { deflate: true }),
  'deflated, size that lies': ({ entries, random }) => lyingSize(writeZip(entries, { deflate: true }), random),
  'entry removed': ({ entries, random }) => {
    const gone = random.pick(entries)
    return writeZip(entries.filter((entry) => entry !== gone))
  },
  'entry twice': ({ entries, random }) => {
    const { name, data } = random.pick(entries)
    return writeZip([...entries, { name, data: flipped(data, random, { bits: 3 }) }])
  },
  'entry renamed': ({ entries, random }) => {
    const [one, other] = [random.pick(entries), random.pick(entries)]
    return writeZip(entries.map((entry) => (entry === one ? { ...entry, name: other.name } : entry)))
  },
  'flips in a pickle': flipsIn(isPickle),
  'flips in the constants': flipsIn((name) => name.endsWith('constants.pkl')),
  'flips in a program': flipsIn(isProgram),
  'flips in debug information': flipsIn((name) => name.endsWith('.debug_pkl')),
  'flips in tensor data': flipsIn(isTensor),
  'flips in the version': flipsIn((name) => name.endsWith('/version')),
  'integer of a pickle': (original) =>
    otherInteger(original, [-1, 0, 2, 64, 1000, 65536, 1 << 30, -(2 ** 31), 2 ** 31 - 1]),
  'storage cut short': (original) =>
    edited(original, isTensor, (data) => data.subarray(0, original.random.below(data.length + 1))),
  'hostile pickle': (original) => edited(original, isPickle, () => original.random.pick(hostilePickles)()),
  'deep program': (original) =>
    edited(original, isProgram, (data) =>
      Buffer.from(original.random.pick(deepPrograms)(data.toString('latin1')), 'latin1'),
    ),
}

/**
 * @param {Buffer} bytes a sound file
 * @param {number} seed
 * @param {number} count
 * @returns {Generator<Mutant>} the kinds in turn
 */
export function* mutantsOf(bytes, seed, count) {
  const original = { bytes, entries: readZip(bytes), random: new Random(seed) }
  const kinds = Object.entries(KINDS)
  for (let i = 0; i < count; i++) {
    const [kind, make] = /** @type {[string, (original: Original) => Buffer]} */ (kinds[i % kinds.length])
    yield { kind, bytes: make(original) }
  }
}
