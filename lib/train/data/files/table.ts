import { EspalierError } from '../../../base/errors.js'
import { range } from '../../../base/numbers.js'
import {
  count,
  either,
  flag,
  list,
  maybe,
  number,
  object,
  oneOf,
  path,
  type Schema,
  signature,
  text,
  thing,
} from '../../../base/schema/index.js'
import { nearest } from '../../../base/schema/nearest.js'
import type { ArrayData } from '../dataset.js'
import { isNumber, numbered } from './classes.js'
import { Floats } from './floats.js'
import { delimiterOf, readRows } from './rows.js'
import { unreadable } from './unreadable.js'

/** A column of a table, by its name in the first row or by its number from 0. */
export type TableColumn = string | number

/** Options of {@link readTable}. */
export interface ReadTableOptions {
  /** One character between cells; by default a tab for `.tsv` and `.tab`, else a comma. */
  delimiter?: string | undefined
  /** Whether the first row has names; by default where one of its cells is no number. */
  header?: boolean | undefined
  /** What goes into the model, in this order; by default every column that is no target. */
  columns?: readonly TableColumn[] | undefined
  /** What is to be learnt: a column, or several of amounts; none by default. */
  target?: TableColumn | readonly TableColumn[] | undefined
  /**
   * What the target is: `'classes'`, texts or numbers from 0, or `'values'`, amounts; `'classes'` by default.
   */
  targets?: 'classes' | 'values' | undefined
  /** Names of the classes, in the order of their numbers, such as those of another table; by default those found. */
  classes?: readonly string[] | undefined
  /** Stands for cells that are empty, `NA`, `NaN` or `null`; by default such a cell is an error. */
  missing?: number | undefined
}

/** A table as arrays, such as `inMemory(table.inputs, table.targets)` takes. */
export interface Table {
  /** `Float32Array` `[rows, columns]`. */
  readonly inputs: ArrayData
  /** Of classes a `BigInt64Array` `[rows]`, of values a `Float32Array` `[rows, targets]`; undefined without a target. */
  readonly targets: ArrayData | undefined
  /** Names of the columns of `inputs`; their numbers where there are no names. */
  readonly columns: readonly string[]
  /** Names of the classes by their numbers; empty without classes. */
  readonly classes: readonly string[]
}

/** The largest of float32. */
const MOST_FLOAT = (2 - 2 ** -23) * 2 ** 127

const FOR_AMOUNTS = "For amounts: targets: 'values'."

const COLUMN: Schema<TableColumn> = either('the name of a column, or its number from 0', text(), count(0))

/** @internal */
export const READ_TABLE = signature(
  'readTable',
  ['path', path],
  [
    'options',
    object<ReadTableOptions>({
      delimiter: maybe(thing('one character', (value) => typeof value === 'string' && /^[^"\r\n]$/u.test(value))),
      header: maybe(flag),
      columns: maybe(list(COLUMN, 'a list of columns')),
      target: maybe(either('a column, or a list of columns', COLUMN, list(COLUMN, 'a list of columns'))),
      targets: maybe(oneOf('classes', 'values')),
      classes: maybe(list(text(), 'a list of names')),
      missing: maybe(number({ min: -MOST_FLOAT, max: MOST_FLOAT })),
    }),
  ],
)

/**
 * Reads a table of numbers (CSV, TSV; cells may be quoted). Labels of classes may be texts: they are numbered in alphabetical order, unless
 * all are integers of 0 and more.
 *
 * @throws EspalierError ERR_READ for a file that can't be read, rows of different lengths, a cell that is no number or is missing, a table
 *   without rows; ERR_INVALID_ARGUMENT for a column that is not there, or a label that is none of `classes`
 * @example
 * ```ts
 * import { inMemory, readTable, split } from 'espalier'
 *
 * const table = await readTable('flowers.csv', { target: 'kind' })
 * console.log(table.columns, table.classes) // [ 'length', 'width' ] [ 'iris', 'rose' ]
 * console.log(table.inputs.shape, table.targets!.data) // [ 4, 2 ] BigInt64Array(4) [ 1n, 0n, 0n, 1n ]
 * const data = split(inMemory(table.inputs, table.targets), { validation: 0.25 })
 * console.log(data.train.size) // 3
 * ```
 */
export async function readTable(path: string, options: ReadTableOptions = {}): Promise<Table> {
  READ_TABLE.check(path, options)
  const { delimiter = delimiterOf(path), header, missing } = options
  const target = options.target === undefined ? [] : [options.target].flat()
  const isOfValues = options.targets === 'values'
  if (!isOfValues && target.length > 1) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', "readTable: 'target' of classes is one column", {
      hint: FOR_AMOUNTS,
    })
  }
  const inputs = new Floats()
  const values = new Floats()
  const labels: string[] = []
  let rows = 0
  let found: Found | undefined
  await readRows(path, delimiter, (row, number) => {
    const isHeader = number === 1 && (header ?? !row.every((cell) => isNumber(cell) || isMissing(cell)))
    found ??= find(options.columns, target, isHeader ? row.map((cell) => cell.trim()) : undefined, row.length)
    if (isHeader) return
    const { names } = found
    const numberAt = (k: number) => numberOf(row[k]!, missing, () => `${path}, row ${number}, column ${names[k]}`)
    for (const k of found.columns) inputs.push(numberAt(k))
    for (const k of found.target) {
      if (isOfValues) values.push(numberAt(k))
      else labels.push(labelOf(row[k]!, () => `${path}, row ${number}, column ${names[k]}`))
    }
    rows++
  })
  if (found === undefined || rows === 0) throw unreadable(path, 'it has no rows')
  const { columns, names } = found
  const shown = {
    inputs: { data: inputs.take(), shape: [rows, columns.length] },
    columns: columns.map((k) => names[k]!),
  }
  if (target.length === 0) return { ...shown, targets: undefined, classes: [] }
  if (isOfValues) return { ...shown, targets: { data: values.take(), shape: [rows, target.length] }, classes: [] }
  const { classes, of } = numbered([...new Set(labels)], path, FOR_AMOUNTS, options.classes)
  const numbers = BigInt64Array.from(labels, (label) => BigInt(of(label)))
  return { ...shown, targets: { data: numbers, shape: [rows] }, classes }
}

interface Found {
  columns: number[]
  target: number[]
  names: readonly string[]
}

/** Numbers of the columns. */
function find(
  columns: readonly TableColumn[] | undefined,
  target: readonly TableColumn[],
  header: readonly string[] | undefined,
  width: number,
): Found {
  const numberOf = (column: TableColumn): number => {
    const k = typeof column === 'number' ? column : (header ?? []).indexOf(column)
    const isTwice = typeof column === 'string' && header !== undefined && header.lastIndexOf(column) !== k
    if (k >= 0 && k < width && !isTwice) return k
    const meant = typeof column === 'string' ? nearest(column, header ?? []) : undefined
    const words = isTwice
      ? `there are two columns '${column}'`
      : `there is no column ${JSON.stringify(column)}${meant === undefined ? '' : `: did you mean ${JSON.stringify(meant)}?`}`
    const known =
      header === undefined ? `Columns have no names; they are 0 to ${width - 1}.` : `There are ${header.join(', ')}.`
    throw new EspalierError('ERR_INVALID_ARGUMENT', `readTable: ${words}`, { hint: known })
  }
  const targets = target.map(numberOf)
  const chosen = columns?.map(numberOf) ?? range(width).filter((k) => !targets.includes(k))
  return { columns: chosen, target: targets, names: header ?? range(width).map(String) }
}

const isMissing = (cell: string): boolean => /^\s*(na|nan|null)?\s*$/i.test(cell)

function numberOf(cell: string, missing: number | undefined, where: () => string): number {
  if (isMissing(cell)) {
    if (missing !== undefined) return missing
    throw unreadable(where(), 'its cell is empty', 'Give what stands for it: missing: 0.')
  }
  const value = isNumber(cell) ? Number(cell) : Number.NaN
  // Tables are float32.
  if (Number.isFinite(Math.fround(value))) return value
  if (!Number.isNaN(value)) throw unreadable(where(), `'${cell}' is too large for float32`)
  throw unreadable(where(), `'${cell}' is no number`, "Name the columns of numbers: 'columns'.")
}

function labelOf(cell: string, where: () => string): string {
  const label = cell.trim()
  if (label === '') throw unreadable(where(), 'its cell is empty')
  return label
}
