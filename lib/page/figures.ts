import { escapeXml } from '../draw/svg.js'
import { integer, percent } from '../report/index.js'
import { metricInFull } from '../report/metrics.js'
import type { PageInput, Pair, Told } from './input.js'

/** A number that stands for itself; `part` of a whole as a bar. */
function figure(title: string, value: string, note: string, part?: number): string {
  const bar = part === undefined ? '' : barOf(part)
  return `<div class="figure"><span>${escapeXml(title)}</span><b>${escapeXml(value)}</b><span>${escapeXml(note)}</span>${bar}</div>`
}

/** A bar as long as a part of the whole, 0 to 1. */
export const barOf = (part: number): string =>
  `<div class="bar"><i style="width:${(100 * Math.min(1, part)).toFixed(1)}%"></i></div>`

function sizeFigure(title: string, pair: Pair | undefined, shown: (value: number) => string, how = ''): string[] {
  if (pair === undefined) return []
  const [before, after] = pair
  const part = before === 0 ? 1 : after / before
  return [figure(title, shown(after), `${how}${percent(part)} of ${shown(before)}`, part)]
}

const inMilliseconds = (value: number): string => `${value.toFixed(2)} ms`

/** What became of the model, in a few numbers. */
export function figures(told: Told, { files, ms }: PageInput): string {
  const { plan, withheld, seconds, isCut } = told
  const withoutCut =
    withheld === undefined ? [] : [figure('the cut', 'withheld', `it would lose ${withheld.toPrecision(3)}`)]
  const how = isCut ? '' : 'planned: '
  return `<div class="figures">${[
    ...withoutCut,
    ...metricFigures(told),
    ...sizeFigure('parameters', plan?.params, integer, how),
    ...sizeFigure('MACs', plan?.macs, integer, how),
    ...sizeFigure('bytes', files?.bytes, integer),
    ...(ms === undefined ? sizeFigure('one forward pass', plan?.latency, inMilliseconds, 'foretold: ') : []),
    ...sizeFigure('one forward pass', ms, inMilliseconds),
    ...(seconds === undefined ? [] : [figure('time', `${seconds.toFixed(0)} s`, 'of the run')]),
  ].join('\n')}</div>`
}

/** Two at most: what tells most of how good it is. The loss alone where nothing else was measured. */
function metricFigures({ evaluations, withheld }: Told): string[] {
  const { before, finetuned, compensated, cut, regularized } = evaluations
  // A cut that was withheld is not in the model that was saved.
  const ofCut = withheld === undefined ? (finetuned ?? compensated ?? cut) : undefined
  const last = ofCut ?? regularized ?? before
  if (last === undefined) return []
  const names = Object.keys(last).filter((name) => name !== 'loss' && last[name] !== undefined)
  const first = ['accuracy', 'agreement'].filter((name) => names.includes(name))
  const shown = [...new Set([...first, ...names])].slice(0, 2)
  return (shown.length === 0 ? ['loss'] : shown).flatMap((name) => {
    const [value, old] = [last[name], before?.[name]]
    if (value === undefined) return []
    const note = last === before || old === undefined ? 'before' : `${metricInFull(name, old)} before`
    return [figure(name, metricInFull(name, value), note)]
  })
}
