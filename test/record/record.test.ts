import { EspalierError } from 'espalier'
import { analyse, fingerprintOf, type OpRecord } from 'espalier/analysis'
import { describe, expect, it } from 'vitest'
import { Random } from '../../lib/base/random.js'
import { RecordBuilder } from '../support/build.js'

/** A convolution, a norm and a linear layer behind them, with a branch and a run at another batch size. */
function small(): OpRecord {
  const b = new RecordBuilder()
  const x = b.input(2, 3, 4, 4)
  const y = b.unary('relu', b.norm('bn', b.conv('conv', x, 6)))
  const record = b.record(b.linear('fc', b.flatten(b.pool(y)), 5))
  const block = { node: 1, scope: '', kind: 'if', outcome: 'raises', reads: [y], merges: [{ taken: y }] } as const
  const shapes = new Map([[x, [3, 3, 4, 4]]])
  return { ...record, skipped: [block], secondRun: { batch: 3, scalars: new Map([[3, 1]]), shapes } }
}

type Key = string | number

/** The record with one thing in it replaced. */
function changed(record: OpRecord, path: readonly Key[], value: unknown): OpRecord {
  const copy = structuredClone(record)
  const owner = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<Key, unknown>)[key], copy)
  ;(owner as Record<Key, unknown>)[path.at(-1)!] = value
  return copy
}

function faultOf(record: unknown): EspalierError {
  try {
    analyse(record as OpRecord)
  } catch (error) {
    expect(error).toBeInstanceOf(EspalierError)
    return error as EspalierError
  }
  throw new Error('nothing was thrown')
}

const cyclic: unknown[] = []
cyclic.push(cyclic)
/** 2^60 numbers of values for whoever walks them. */
const shared = Array.from({ length: 60 }).reduce<unknown[]>((list) => [list, list], [0])
const deep = Array.from({ length: 100_000 }).reduce<unknown[]>((list) => [list], [0])

describe('a record that somebody hands in is checked', () => {
  it('and taken when it is sound', () => {
    expect(analyse(small()).groups.length).toBeGreaterThan(0)
  })

  it.each<[Key[], unknown, string]>([
    [['values', 0, 'kind'], 'sensor', "'record.values[0]' must be a value of kind tensor, int"],
    [['values', 0], null, "'record.values[0]' must be a value of kind tensor, int"],
    [['values', 0, 'shape', 1], -3, "'record.values[0].shape' must be sizes, each an integer from 0 to 67108864"],
    [['values', 0, 'shape', 1], 2 ** 40, "'record.values[0].shape' must be sizes"],
    [['values', 0, 'dtype'], 'float31', "'record.values[0].dtype' must be a dtype, not 'float31'"],
    [['values', 0, 'role'], 'guest', "'record.values[0].role' must be 'input'"],
    [['values', 0, 'data'], [1], "'record.values[0].data' must be 96 numbers, one for each element"],
    [['values', 1, 'names'], [], "'record.values[1].names' must be the names of a parameter"],
    [['values', 1, 'names'], ['bn.weight'], 'names that no other value has'],
    [['values', 1, 'replaced'], 'no', "'record.values[1].replaced' must be true, not 'no'"],
    [['values', 2, 'value'], 'seven', "'record.values[2].value' must be null, not 'seven'"],
    [['ops', 1], undefined, "'record.ops[1]' must be an operator, not undefined"],
    [['ops', 0, 'name'], 5, "'record.ops[0].name' must be a text, not 5"],
    [['ops', 0, 'argNames'], ['input'], "'record.ops[0].argNames' must be empty or as long as inputs (4)"],
    [['ops', 0, 'inputs', 1], 999, "'record.ops[0].inputs[1]' must be the number of a value, from 0 to"],
    [['ops', 0, 'inputs', 1], [[0.5]], "'record.ops[0].inputs[1][0][0]' must be the number of a value"],
    [['ops', 0, 'inputs', 1], cyclic, "'record.ops[0].inputs' must be nested at most 500 deep"],
    [
      ['ops', 0, 'inputs', 1],
      shared,
      "'record.ops[0].inputs' must be nested at most 500 deep, with at most 1000000 values",
    ],
    [['ops', 0, 'outputs'], 0, "'record.ops[0].outputs' must be a list of arguments"],
    [['ops', 0, 'node'], -1, "'record.ops[0].node' must be an integer of at least 0"],
    [['ops', 0, 'mutates'], 'no', "'record.ops[0].mutates' must be true or false"],
    [['skipped', 0, 'kind'], 'while', "'record.skipped[0].kind' must be 'if' or 'loop'"],
    [['skipped', 0, 'reads'], [1e9], "'record.skipped[0].reads[0]' must be the number of a value"],
    [['skipped', 0, 'merges', 0], 5, "'record.skipped[0].merges[0]' must be an object"],
    [['output'], undefined, "'record.output' must be the number of a value"],
    [['executed'], 1, "'record.executed' must be true or false"],
    [['secondRun', 'shapes'], {}, "'record.secondRun.shapes' must be a Map"],
    [['secondRun', 'shapes'], new Map([[0, [-3]]]), 'of a tensor'],
    [['secondRun', 'scalars'], new Map([[-1, 3]]), 'must be the number of a value'],
  ])('%j', (path, value, words) => {
    const error = faultOf(changed(small(), path, value))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(error.message).toContain(words)
  })

  it('lists of any depth', () => {
    const record = { ...small(), output: deep } as unknown as OpRecord
    expect(faultOf(record).message).toContain("'record.output' must be nested at most 500 deep")
    expect(() => fingerprintOf(record)).toThrow(EspalierError)
  })

  it('so that whatever is changed in one, an analysis or an EspalierError comes out', () => {
    const random = new Random(5)
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random.uniform() * from.length)]!
    const names = small().ops.map(({ name }) => name)
    const texts = [
      ...names,
      'aten::view',
      'aten::cat',
      'aten::split',
      'aten::permute',
      'aten::_weight_norm',
      'weight',
      'dim',
    ]
    const outcomes = { groups: 0, refused: 0 }
    for (let round = 0; round < 400; round++) {
      const record = structuredClone(small())
      const places = placesIn(record)
      for (let k = 0; k < 2; k++) {
        const [owner, key] = pick(places)
        const value = owner[key]
        if (typeof value === 'number') owner[key] = pick([0, 1, 2, value + 1, value * 2, record.values.length - 1])
        else if (typeof value === 'string') owner[key] = pick(texts)
        else if (typeof value === 'boolean') owner[key] = !value
        else if (Array.isArray(value)) owner[key] = pick([value.slice(1), [...value, ...value], [...value].reverse()])
        else owner[key] = pick(places)[0]
      }
      try {
        analyse(record)
        outcomes.groups++
      } catch (error) {
        expect(error).toBeInstanceOf(EspalierError)
        outcomes.refused++
      }
    }
    expect(Math.min(outcomes.groups, outcomes.refused)).toBeGreaterThan(40)
  })
})

/** Every object or list in a value, with each of its keys. */
function placesIn(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null) return []
  const own = value as Record<string, unknown>
  return Object.keys(own).flatMap((key) => [[own, key] as [Record<string, unknown>, string], ...placesIn(own[key])])
}

describe('long axes', () => {
  // Why each of them stays was an entry of a map.
  it('of more samples than a map has room for', () => {
    const b = new RecordBuilder()
    const [wide] = b.op('aten::expand', { self: b.input(), size: b.ints(17_000_000), implicit: b.flag(false) }, [
      [17_000_000],
    ])
    const x = b.unary('relu', wide!)
    const y = b.linear('c', b.linear('a', b.input(2, 3), 4), 5)
    const [sum] = b.op('aten::sum', { self: x, dtype: b.none() }, [[]])
    expect(analyse(b.record(b.binary('add', y, sum!))).groups).toHaveLength(1)
  })
})

describe('long chains', () => {
  it('of numbers that are computed from a width, each from the one before', () => {
    const b = new RecordBuilder()
    const x = b.unary('relu', b.linear('a', b.input(2, 3), 4))
    const width = b.scalar('aten::size', { self: x, dim: b.int(1) }, 4)
    let n = width
    for (let k = 0; k < 10_000; k++) n = b.scalar('aten::mul', { a: n, b: width }, 4)
    const [y] = b.op('aten::mul', { self: x, other: n }, [[2, 4]])
    // What data are multiplied with goes on as it was.
    expect(analyse(b.record(b.linear('c', y!, 5))).groups).toHaveLength(1)
  })

  it('of writes to one tensor', () => {
    const b = new RecordBuilder()
    let x = b.linear('a', b.input(2, 3), 4)
    for (let k = 0; k < 3000; k++) x = b.unary('relu_', x)
    expect(analyse(b.record(b.linear('c', x, 5))).groups).toHaveLength(1)
  })
})
