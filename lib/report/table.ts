/** Plain-text tables. */
import { EspalierError } from '../base/errors.js'
import { array, list, maybe, number, object, oneOf, signature, text } from '../base/schema/index.js'

/** A column of a table. */
export interface Column {
  title: string
  /** `left` by default. */
  align?: 'left' | 'right' | undefined
}

/** @internal */
export const FORMAT_TABLE = signature(
  'formatTable',
  [
    'columns',
    list(object<Column>({ title: text(), align: maybe(oneOf('left', 'right')) }), 'an array of { title, align }'),
  ],
  ['rows', list(array<string | number | undefined>('an array of cells'), 'an array of rows')],
)
/** @internal */
export const PERCENT = signature(
  'percent',
  ['fraction', number()],
  ['digits', number({ min: 0, max: 100, integer: true })],
)
/** @internal */
export const INTEGER = signature('integer', ['count', number()])

/**
 * A table with a title row and a rule, columns two spaces apart; as wide as its widest cells.
 *
 * @param rows a cell for each column; those that are undefined or missing stay empty
 * @throws EspalierError ERR_INVALID_ARGUMENT, also for a row of more cells than columns
 * @example
 * ```ts
 * import { formatTable, integer } from 'espalier/analysis'
 *
 * console.log(formatTable([{ title: 'layer' }, { title: 'MACs', align: 'right' }], [['conv', integer(6912)], ['fc', 20]]))
 * // layer   MACs
 * // -----  -----
 * // conv   6,912
 * // fc        20
 * ```
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | number | undefined)[])[],
): string {
  FORMAT_TABLE.check(columns, rows)
  const wide = rows.find((row) => row.length > columns.length)
  if (wide !== undefined) {
    const message = `formatTable: a row has ${wide.length} cells, and there are ${columns.length} columns`
    throw new EspalierError('ERR_INVALID_ARGUMENT', message)
  }
  const cells = rows.map((row) => columns.map((_, c) => String(row[c] ?? '')))
  const widths = columns.map(({ title }, c) => Math.max(title.length, ...cells.map((row) => row[c]!.length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, c) => (columns[c]!.align === 'right' ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)))
      .join('  ')
      .trimEnd()
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  return [line(columns.map(({ title }) => title)), rule, ...cells.map(line)].join('\n')
}

/**
 * A fraction in percent.
 *
 * @param digits behind the point, 0 to 100; 2 by default
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { percent } from 'espalier/analysis'
 *
 * console.log(percent(0.9917), percent(0.5, 0)) // 99.17 % 50 %
 * ```
 */
export function percent(fraction: number, digits = 2): string {
  PERCENT.check(fraction, digits)
  return `${(100 * fraction).toFixed(digits)} %`
}

/**
 * A whole number with commas between thousands; others are rounded.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { integer } from 'espalier/analysis'
 *
 * console.log(integer(77754)) // 77,754
 * ```
 */
export function integer(count: number): string {
  INTEGER.check(count)
  return Math.round(count).toLocaleString('en-US')
}
