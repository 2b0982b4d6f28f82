import { EspalierError } from '../../../base/errors.js'
import { unreadable } from './unreadable.js'

/** A number of a class: beyond, it is more likely an amount. */
const MAX_CLASS = 2 ** 20

/** What stands for a number in a table. */
export const isNumber = (cell: string): boolean => /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(cell)

/**
 * Numbers the classes of a file. Labels that are all integers of 0 and more are the numbers; others are numbered in the order of their
 * texts (by code units, whatever the language of the system).
 *
 * @param labels each label once
 * @param hint what to do about labels that are none
 * @param known the classes, where the caller has them
 * @throws EspalierError ERR_READ for labels that are amounts; ERR_INVALID_ARGUMENT for one that is no known class, and for a known class that is there twice
 */
export function numbered(
  labels: readonly string[],
  file: string,
  hint: string,
  known?: readonly string[],
): { classes: string[]; of: (label: string) => number } {
  if (known !== undefined) {
    const numbers = new Map(known.map((label, i) => [label, i]))
    const twice = known.find((label, i) => numbers.get(label) !== i)
    if (twice !== undefined) {
      throw new EspalierError('ERR_INVALID_ARGUMENT', `${file}: '${twice}' is twice in 'classes'`)
    }
    const stray = labels.find((label) => !numbers.has(label))
    if (stray === undefined) return { classes: [...known], of: (label) => numbers.get(label)! }
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${file}: '${stray}' is none of 'classes'`)
  }
  if (labels.every((label) => /^\d+$/.test(label))) {
    const most = labels.reduce((largest, label) => Math.max(largest, Number(label)), -1)
    if (most > MAX_CLASS) throw amounts(file, String(most), hint)
    return { classes: Array.from({ length: most + 1 }, (_, i) => String(i)), of: Number }
  }
  if (labels.every(isNumber)) throw amounts(file, labels.find((label) => !/^\d+$/.test(label))!, hint)
  const classes = [...labels].sort()
  const numbers = new Map(classes.map((label, i) => [label, i]))
  return { classes, of: (label) => numbers.get(label)! }
}

function amounts(file: string, label: string, hint: string) {
  return unreadable(file, `${label} is no number of a class`, hint)
}
