// From runs to tables.

/**
 * @typedef {{ family: string, metric: 'accuracy' | 'meanIoU' | 'perplexity', optimizer: string, factor: number, seed: number,
 *   method: string, before: number, regularized?: number, cut: number, finetuned: number, lr: readonly number[], seconds: number }} Row
 */

/** What was lost at the cut: in points, or in per cent of the perplexity. @param {Pick<Row, 'metric' | 'regularized' | 'cut'>} row */
export function dropOf({ metric, regularized = 0, cut }) {
  return metric === 'perplexity' ? 100 * (cut / regularized - 1) : 100 * (regularized - cut)
}

/** @param {Row['metric']} metric @param {number} value */
const shown = (metric, value) => (metric === 'perplexity' ? value.toFixed(2) : (100 * value).toFixed(1))

/** @param {readonly number[]} values */
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length

const METRICS = { accuracy: 'accuracy, %', meanIoU: 'mean IoU, %', perplexity: 'perplexity' }

/** @param {readonly Row[]} rows @param {(row: Row) => boolean} which @returns {Row[]} */
const some = (rows, which) => rows.filter(which)

/** How many runs a table is of. @param {readonly Row[]} rows */
export function heading(rows) {
  const seeds = new Set(rows.map(({ seed }) => seed)).size
  return `${new Set(rows.map(({ family }) => family)).size} networks, with SGD and AdamW, ${seeds === 1 ? 'one seed' : `means of ${seeds} seeds`}.`
}

/** A row for each family, optimizer, factor and method: means over the seeds. @param {readonly Row[]} rows */
export function familiesTable(rows) {
  const lines = [
    heading(rows),
    '',
    '| network | optimizer | MACs | method | before | before the cut | at the cut | fine-tuned |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  const keys = new Set(
    rows.map(({ family, optimizer, factor, method }) => [family, optimizer, factor, method].join('|')),
  )
  for (const key of keys) {
    const [family, optimizer, factor, method] = key.split('|')
    const own = some(rows, (row) => [row.family, row.optimizer, row.factor, row.method].join('|') === key)
    const { metric } = /** @type {Row} */ (own[0])
    const cell = (/** @type {'before' | 'regularized' | 'cut' | 'finetuned'} */ name) => {
      const values = own.flatMap((row) => row[name] ?? [])
      return values.length === 0 ? '' : shown(metric, mean(values))
    }
    const cells = [cell('before'), cell('regularized'), cell('cut'), cell('finetuned')]
    lines.push(`| ${[`${family} (${METRICS[metric]})`, optimizer, `1/${factor}`, method, ...cells].join(' | ')} |`)
  }
  return lines.join('\n')
}

/** The rows of the README. */
const README = ['resnet', 'vit', 'lstm', 'unet', 'decoder']

/** The default beside the same steps after a cut, by family: means over optimizers and seeds at a quarter of the MACs. @param {readonly Row[]} rows */
export function shortTable(rows) {
  const lines = [
    heading(rows),
    '',
    '| network, at 1/4 of the MACs | before | most lost at the cut | fine-tuned | cut at once, same steps |',
    '| --- | --- | --- | --- | --- |',
  ]
  for (const family of README) {
    const at = (/** @type {string} */ method) =>
      some(rows, (r) => r.family === family && r.factor === 4 && r.method === method)
    const own = at('default')
    if (own.length === 0) continue
    const { metric } = /** @type {Row} */ (own[0])
    const drop = Math.max(...own.map(dropOf), 0)
    const lost = metric === 'perplexity' ? `${drop.toFixed(1)} %` : drop.toFixed(1)
    const cells = [
      shown(metric, mean(own.map(({ before }) => before))),
      lost,
      shown(metric, mean(own.map(({ finetuned }) => finetuned))),
      shown(metric, mean(at('one shot, equal budget').map(({ finetuned }) => finetuned))),
    ]
    lines.push(`| ${[`${family} (${METRICS[metric]})`, ...cells].join(' | ')} |`)
  }
  return lines.join('\n')
}

/** A page with another table between its two marks. @param {string} text @param {string} name @param {string} table */
export function between(text, name, table) {
  const [before, after] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [text.indexOf(before), text.indexOf(after)]
  if (from < 0 || to < from) throw new Error(`there is no ${before} … ${after}`)
  return `${text.slice(0, from)}${before}\n${table}\n${text.slice(to)}`
}
