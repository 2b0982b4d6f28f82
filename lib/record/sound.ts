/** Whether an op record that somebody hands in is one: every number of a value stands for a value, every list has its length. */
import { volume } from '../base/numbers.js'
import type { Misfit } from '../base/schema/index.js'
import { type Arg, DTYPES, type OpRecord, type RecordValue, type TensorValue } from './record.js'

/** Longest dimension, in coordinates: each is looked at. */
const LONGEST = 2 ** 26
/** How deep lists of arguments may be nested, and how many values an operator may take or give. */
const DEEPEST = 500
const MOST = 1_000_000

type Plain = Readonly<Record<string, unknown>>
type Path = readonly (string | number)[]

const isObject = (value: unknown): value is Plain => typeof value === 'object' && value !== null
const isText = (value: unknown): value is string => typeof value === 'string'
const isFlag = (value: unknown): boolean => typeof value === 'boolean'
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isNumeral = (value: unknown): boolean => typeof value === 'number'
const isAbsent = (value: unknown): boolean => value === undefined
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText)
const isShape = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((n) => isCount(n) && n <= LONGEST)
const oneOf = (...words: readonly unknown[]) => {
  const known = new Set(words)
  return (value: unknown) => known.has(value)
}
const or =
  (...fits: readonly ((value: unknown) => boolean)[]) =>
  (value: unknown): boolean =>
    fits.some((fitting) => fitting(value))

type Entry = readonly [key: string, fits: (value: unknown) => boolean, words: string]

const SHAPE = `sizes, each an integer from 0 to ${LONGEST}`
const TENSOR: readonly Entry[] = [
  ['shape', isShape, SHAPE],
  ['dtype', oneOf(...DTYPES), 'a dtype'],
  [
    'role',
    oneOf(undefined, 'input', 'parameter', 'buffer', 'constant'),
    "'input', 'parameter', 'buffer' or 'constant'",
  ],
  ['names', or(isAbsent, isTexts), 'a list of texts'],
  ['replaced', oneOf(undefined, true), 'true'],
]

const isNull = (value: unknown): boolean => value === null
const scalar = (fits: (value: unknown) => boolean, words: string): readonly Entry[] => [
  ['value', or(fits, isNull), words],
  ['role', oneOf(undefined, 'state'), "'state'"],
]

/** By kind. */
const VALUES: Readonly<Record<string, readonly Entry[]>> = {
  tensor: TENSOR,
  int: scalar(isNumeral, 'a number or null'),
  float: scalar(isNumeral, 'a number or null'),
  bool: scalar(isFlag, 'true, false or null'),
  string: scalar(isText, 'a text or null'),
  none: scalar(isNull, 'null'),
  other: scalar(isNull, 'null'),
}

const OP: readonly Entry[] = [
  ['name', isText, 'a text'],
  ['overload', isText, 'a text'],
  ['argNames', isTexts, 'a list of texts'],
  ['inputs', Array.isArray, 'a list of arguments'],
  ['outputs', Array.isArray, 'a list of arguments'],
  ['scope', isText, 'a text'],
  ['node', isCount, 'an integer of at least 0'],
  ['mutates', isFlag, 'true or false'],
  ['speculative', isFlag, 'true or false'],
]

const SKIPPED: readonly Entry[] = [
  ['node', isCount, 'an integer of at least 0'],
  ['scope', isText, 'a text'],
  ['kind', oneOf('if', 'loop'), "'if' or 'loop'"],
  ['outcome', oneOf('executed', 'raises', 'failed'), "'executed', 'raises' or 'failed'"],
  ['reads', Array.isArray, 'a list of numbers of values'],
  ['merges', Array.isArray, 'a list'],
]

const RECORD: readonly Entry[] = [
  ['values', Array.isArray, 'a list'],
  ['ops', Array.isArray, 'a list'],
  ['skipped', Array.isArray, 'a list'],
  ['inputs', Array.isArray, 'a list of arguments'],
  ['executed', isFlag, 'true or false'],
  ['secondRun', or(isAbsent, isObject), 'an object'],
  ['secondRunError', or(isAbsent, isText), 'a text'],
]

const SECOND: readonly Entry[] = [
  ['batch', isCount, 'an integer of at least 0'],
  ['scalars', (value) => value instanceof Map, 'a Map'],
  ['shapes', (value) => value instanceof Map, 'a Map'],
]

/** What does not fit in a record, and where. */
export function misfitOfRecord(record: unknown): Misfit | undefined {
  return new Walk().record(record)
}

class Walk {
  private values: readonly RecordValue[] = []
  private left = MOST

  record(record: unknown): Misfit | undefined {
    const own = entries(record, RECORD, [], 'an op record, as model.record() gives it')
    if (own) return own
    const { values, ops, skipped, inputs, output, secondRun } = record as OpRecord
    this.values = values
    return (
      each(values, ['values'], value) ??
      this.names() ??
      each(ops, ['ops'], (op, path) => this.op(op, path)) ??
      each(skipped, ['skipped'], (block, path) => this.skipped(block, path)) ??
      this.arg(inputs, ['inputs']) ??
      this.arg(output, ['output']) ??
      (secondRun === undefined ? undefined : this.second(secondRun))
    )
  }

  /** A name is that of one tensor: tied ones are one value. */
  private names(): Misfit | undefined {
    const seen = new Set<string>()
    for (const [id, value] of this.values.entries()) {
      for (const name of value.kind === 'tensor' ? (value.names ?? []) : []) {
        if (seen.has(name))
          return { path: ['values', id, 'names'], words: 'names that no other value has', value: name }
        seen.add(name)
      }
    }
    return undefined
  }

  private op(op: unknown, path: Path): Misfit | undefined {
    const own = entries(op, OP, path, 'an operator')
    if (own) return own
    const { argNames, inputs, outputs } = op as Record<string, readonly unknown[]>
    if (argNames!.length > 0 && argNames!.length !== inputs!.length) {
      const words = `empty or as long as inputs (${inputs!.length})`
      return { path: [...path, 'argNames'], words, value: argNames }
    }
    this.left = MOST
    return this.arg(inputs, [...path, 'inputs']) ?? this.arg(outputs, [...path, 'outputs'])
  }

  private skipped(block: unknown, path: Path): Misfit | undefined {
    const own = entries(block, SKIPPED, path, 'a branch')
    if (own) return own
    const { reads, merges, condition } = block as Record<string, unknown>
    this.left = MOST
    return (
      each(reads as unknown[], [...path, 'reads'], (id, at) => this.id(id, at)) ??
      (condition === undefined ? undefined : this.id(condition, [...path, 'condition'])) ??
      each(merges as unknown[], [...path, 'merges'], (merge, at) => {
        if (!isObject(merge)) return { path: at, words: 'an object', value: merge }
        const { taken, skipped } = merge
        return (
          this.arg(taken, [...at, 'taken']) ??
          (skipped === undefined ? undefined : this.arg(skipped, [...at, 'skipped']))
        )
      })
    )
  }

  private second(run: unknown): Misfit | undefined {
    const path = ['secondRun']
    const own = entries(run, SECOND, path, 'an object')
    if (own) return own
    const { scalars, shapes } = run as Record<string, Map<unknown, unknown>>
    for (const [id, value] of scalars!) {
      const at = [...path, 'scalars', String(id)]
      const wrong = this.id(id, at)
      if (wrong) return wrong
      if (isObject(value) || value === undefined) return { path: at, words: 'a number, a flag, a text or null', value }
    }
    for (const [id, shape] of shapes!) {
      const at = [...path, 'shapes', String(id)]
      const wrong = this.id(id, at)
      if (wrong) return wrong
      // It may have another number of dimensions: a squeeze of what is one only in the first run.
      const fits = isShape(shape) && this.values[id as number]?.kind === 'tensor'
      if (!fits) return { path: at, words: `${SHAPE}, of a tensor`, value: shape }
    }
    return undefined
  }

  private id(id: unknown, path: Path): Misfit | undefined {
    if (isCount(id) && id < this.values.length) return undefined
    return { path, words: `the number of a value, from 0 to ${this.values.length - 1}`, value: id }
  }

  private arg(arg: unknown, path: Path, depth = 0): Misfit | undefined {
    if (!Array.isArray(arg)) return this.id(arg, path)
    this.left -= arg.length + 1
    if (depth > DEEPEST || this.left < 0) {
      const words = `nested at most ${DEEPEST} deep, with at most ${MOST} values`
      return { path: path.slice(0, path.length - depth), words, value: arg }
    }
    for (const item of arg as Arg[]) {
      // Most are numbers: no path is made for them.
      if (isCount(item) && item < this.values.length) continue
      const wrong = this.arg(item, [...path, arg.indexOf(item)], depth + 1)
      if (wrong) return wrong
    }
    return undefined
  }
}

function value(given: unknown, path: Path): Misfit | undefined {
  const fields = isObject(given) && isText(given.kind) && Object.hasOwn(VALUES, given.kind) && VALUES[given.kind]
  if (!fields) return { path, words: `a value of kind ${Object.keys(VALUES).join(', ')}`, value: given }
  const own = entries(given, fields, path, 'a value')
  if (own || given.kind !== 'tensor') return own
  const { shape, role, names, data } = given as unknown as TensorValue
  if ((role === 'parameter' || role === 'buffer') && !names?.length) {
    return { path: [...path, 'names'], words: `the names of a ${role}`, value: names }
  }
  if (data === undefined) return undefined
  const size = volume(shape)
  if (Array.isArray(data) && data.length === size && data.every(isNumeral)) return undefined
  return { path: [...path, 'data'], words: `${size} numbers, one for each element`, value: data }
}

/** What of an object does not fit. */
function entries(given: unknown, fields: readonly Entry[], path: Path, words: string): Misfit | undefined {
  if (!isObject(given)) return { path, words, value: given }
  for (const [key, fits, words] of fields) {
    if (!fits(given[key])) return { path: [...path, key], words, value: given[key] }
  }
  return undefined
}

function each(
  list: readonly unknown[],
  path: Path,
  misfit: (item: unknown, path: Path) => Misfit | undefined,
): Misfit | undefined {
  // Holes, too.
  for (let k = 0; k < list.length; k++) {
    const wrong = misfit(list[k], [...path, k])
    if (wrong) return wrong
  }
  return undefined
}
