import { escapeXml } from '../draw/svg.js'
import { integer } from '../report/index.js'
import type { Stage } from '../run/index.js'
import type { PageInput, Pair, Told } from './input.js'
import { STAGES } from './stages.js'
import { usesOf } from './uses.js'

/** A part of the page; one that has nothing to show is left out. */
export interface Section {
  title: string
  make(told: Told, input: PageInput): string | undefined
}

const percent = (part: number): string => `${(100 * part).toFixed(2)} %`

const figure = (title: string, value: string, note: string): string =>
  `<div class="figure"><span>${escapeXml(title)}</span><b>${escapeXml(value)}</b><span>${escapeXml(note)}</span></div>`

function sizeFigure(title: string, pair: Pair | undefined, shown: (value: number) => string): string[] {
  if (pair === undefined) return []
  const [before, after] = pair
  return [figure(title, shown(after), `${percent(before === 0 ? 1 : after / before)} of ${shown(before)}`)]
}

function figures({ evaluations, plan, withheld, seconds }: Told, { files, ms }: PageInput): string {
  const last = evaluations.finetuned ?? evaluations.compensated ?? evaluations.cut
  const { before } = evaluations
  const judged = last === undefined ? [] : judgedFigures(last, before)
  return `<div class="figures">${[
    ...(withheld ? [figure('the cut', 'withheld', 'it would have lost too much')] : []),
    ...judged,
    ...sizeFigure('parameters', plan?.params, integer),
    ...sizeFigure('MACs', plan?.macs, integer),
    ...sizeFigure('bytes', files?.bytes, integer),
    ...sizeFigure('one forward pass', ms, (value) => `${value.toFixed(2)} ms`),
    ...(seconds === undefined ? [] : [figure('time', `${seconds.toFixed(0)} s`, 'of the run')]),
  ].join('\n')}</div>`
}

function judgedFigures(last: Told['evaluations'][string], before: Told['evaluations'][string] | undefined): string[] {
  const { accuracy, loss } = last
  if (accuracy === undefined) return [figure('loss', loss.toFixed(4), before ? `${before.loss.toFixed(4)} before` : '')]
  return [
    figure('accuracy', percent(accuracy), before?.accuracy === undefined ? '' : `${percent(before.accuracy)} before`),
  ]
}

function stages({ evaluations }: Told): string | undefined {
  const rows = Object.entries(evaluations)
  if (rows.length === 0) return undefined
  const names = [...new Set(rows.flatMap(([, evaluation]) => Object.keys(evaluation)))]
  const head = names.map((name) => `<th class="number">${escapeXml(name)}</th>`).join('')
  const body = rows.map(([stage, evaluation]) => {
    const cells = names.map((name) => `<td class="number">${evaluation[name]?.toFixed(4) ?? ''}</td>`)
    return `<tr><td>${STAGES[stage as Stage] ?? escapeXml(stage)}</td>${cells.join('')}</tr>`
  })
  return `<div class="scroll"><table><tr><th></th>${head}</tr>${body.join('')}</table></div>`
}

function curves({ epochs }: Told): string | undefined {
  if (epochs.length === 0) return undefined
  const accuracy = epochs.some((epoch) => epoch.accuracy !== undefined) ? '<div class="chart" id="accuracy"></div>' : ''
  return `<p class="soft">By epoch; the dashed line is the cut.</p><div class="charts"><div class="chart" id="loss"></div>${accuracy}</div>`
}

function partings({ sizes }: Told): string | undefined {
  if (sizes.length === 0) return undefined
  return `<p class="soft">Sizes of units (root of the summed squares of their weights), geometric means over the groups, by epoch.</p>
<div class="chart" id="sizes"></div>`
}

function widths({ groups, plan }: Told): string | undefined {
  if (groups.length === 0) return undefined
  const gone = new Map(plan?.removed.map(({ group, units }) => [group, units.length]))
  const rows = groups.map(({ id, kind, size, scopes }) => {
    const left = size - (gone.get(id) ?? 0)
    const bar = `<div class="bar"><i style="width:${((100 * left) / size).toFixed(1)}%"></i></div>`
    const more = scopes.length > 4 ? ` and ${scopes.length - 4} more` : ''
    return `<tr><td class="number">${id}</td><td>${escapeXml(kind)}</td><td class="number">${size}</td><td class="number">${left}</td><td>${bar}</td><td class="in">${escapeXml(scopes.slice(0, 4).join(', '))}${more}</td></tr>`
  })
  return `<div class="scroll"><table><tr><th class="number">group</th><th>kind</th><th class="number">before</th><th class="number">after</th><th></th><th>in</th></tr>${rows.join('')}</table></div>`
}

function network(_: Told, { drawing }: PageInput): string | undefined {
  if (drawing === undefined) return undefined
  return `<details class="network"><summary>The operators, coloured by group; grey ones are frozen</summary>
<p><label>Zoom <input id="zoom" type="range" min="0" max="200" value="0"></label><label>Search <input id="search" type="search"></label></p>
<div class="drawing">${drawing}</div></details>`
}

function frozenParts({ coverage }: Told, { frozen = [] }: PageInput): string | undefined {
  if (coverage === undefined && frozen.length === 0) return undefined
  const words =
    coverage === undefined ? '' : `<p>${percent(coverage)} of the parameters have a dimension that can be pruned.</p>`
  if (frozen.length === 0) return words
  const rows = frozen.map(
    ({ name, dim, size, why }) =>
      `<tr><td class="in">${escapeXml(name)}</td><td class="number">${dim}</td><td class="number">${size}</td><td class="in">${escapeXml(why)}</td></tr>`,
  )
  return `${words}<details><summary>What stays as it is, and why</summary><div class="scroll"><table><tr><th>parameter</th><th class="number">dim</th><th class="number">size</th><th>why</th></tr>${rows.join('')}</table></div></details>`
}

function uses(_: Told, { files, inputs = [] }: PageInput): string | undefined {
  if (files === undefined) return undefined
  return usesOf(files.small, inputs)
    .map(({ language, code }) => `<h3>${language}</h3><pre>${escapeXml(code)}</pre>`)
    .join('\n')
}

function settings({ settings: settled }: Told, { config, versions }: PageInput): string | undefined {
  const all = Object.entries({ versions, settings: settled, config }).filter(([, value]) => value !== undefined)
  if (all.length === 0) return undefined
  return `<details><summary>Versions, settings and options</summary><pre>${escapeXml(JSON.stringify(Object.fromEntries(all), null, 2))}</pre></details>`
}

/** In their order. */
export const SECTIONS: readonly Section[] = [
  { title: 'What became of it', make: figures },
  { title: 'Measured', make: stages },
  { title: 'Over the run', make: curves },
  { title: 'Units that stay and units that go', make: partings },
  { title: 'Widths of the groups', make: widths },
  { title: 'The network', make: network },
  { title: 'What can be pruned', make: frozenParts },
  { title: 'How to use the small model', make: uses },
  { title: 'Made with', make: settings },
]
