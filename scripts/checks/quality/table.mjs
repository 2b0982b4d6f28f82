// From runs to the table of docs/quality.md.

import { METHODS } from './methods.mjs'

/**
 * @typedef {{ dataset: string, method: string, factor: number, seed: number, base: number, regularized?: number,
 *   iterations?: number, cut: number, finetuned: number, compensated: number,
 *   compensatedFinetuned: number, seconds: number }} Row
 */

/** Mean, smallest and largest of accuracies, in percent. @param {number[]} values */
const spread = (values) => {
  const percent = values.map((value) => 100 * value)
  const mean = percent.reduce((a, b) => a + b, 0) / percent.length
  return `${mean.toFixed(1)} (${Math.min(...percent).toFixed(1)} to ${Math.max(...percent).toFixed(1)})`
}

/** Markdown: a row for each method and factor that was run. @param {readonly Row[]} rows */
export function table(rows) {
  const lines = [
    '| method | MACs | iterations | right after the cut | after fine-tuning | compensated | compensated, fine-tuned |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (const method of Object.keys(METHODS)) {
    for (const factor of [2, 4, 8]) {
      const own = rows.filter((row) => row.method === method && row.factor === factor)
      if (own.length === 0) continue
      const iterations = own.map((row) => row.iterations ?? 0)
      const range = [...new Set([Math.min(...iterations), Math.max(...iterations)])].join(' to ')
      const columns = /** @type {const} */ (['cut', 'finetuned', 'compensated', 'compensatedFinetuned'])
      const cells = columns.map((column) => spread(own.map((row) => row[column])))
      lines.push(`| ${[method, `1/${factor}`, range === '0' ? '' : range, ...cells].join(' | ')} |`)
    }
  }
  return lines.join('\n')
}

/** @param {readonly Row[]} rows @returns {string} what a table is about, as a line */
export function heading(rows) {
  const seeds = new Set(rows.map(({ seed }) => seed)).size
  const base = [...new Map(rows.map(({ seed, base }) => [seed, base])).values()]
  return `Test accuracy in percent, mean (smallest to largest) of ${seeds} seeds; before pruning ${spread(base)}.`
}
