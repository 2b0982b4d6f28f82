/** Plain-text tables. */

export interface Column {
  title: string
  /** `left` by default. */
  align?: 'left' | 'right'
}

/** A table with a title row and a rule, columns two spaces apart; as wide as its widest cells. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | number | undefined)[])[],
): string {
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

/** 0.9917 as `99.17 %`. */
export const percent = (fraction: number, digits = 2): string => `${(100 * fraction).toFixed(digits)} %`

/** 77754 as `77,754`. */
export const integer = (count: number): string => Math.round(count).toLocaleString('en-US')
