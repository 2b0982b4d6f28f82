import { pane } from '../draw/network/pane.js'
import { escapeXml } from '../draw/svg.js'
import { integer, percent } from '../report/index.js'
import { metricInWords } from '../report/metrics.js'
import type { Stage } from '../run/index.js'
import { barOf, figures } from './figures.js'
import type { PageInput, Told } from './input.js'
import { STAGES } from './stages.js'
import { usesOf } from './uses.js'

/** A part of the page; one that has nothing to show is left out. */
export interface Section {
  /** Empty for the first, which needs none. */
  title: string
  make(told: Told, input: PageInput): string | undefined
}

/** A trajectory is a file: what should be a number there may be any text. */
const shown = (value: unknown): string => escapeXml(String(value))
const numberCell = (value: unknown): string => `<td class="number">${shown(value)}</td>`

function stages({ evaluations }: Told): string | undefined {
  const rows = Object.entries(evaluations)
  if (rows.length === 0) return undefined
  const others = rows.flatMap(([, evaluation]) => Object.keys(evaluation)).filter((name) => name !== 'loss')
  const names = [...new Set([...others, 'loss'])]
  const head = names.map((name) => `<th class="number">${escapeXml(name)}</th>`).join('')
  const body = rows.map(([stage, evaluation]) => {
    const cells = names.map((name) => {
      const value = evaluation[name]
      return numberCell(value === undefined ? '' : metricInWords(name, value))
    })
    return `<tr><td>${escapeXml(Object.hasOwn(STAGES, stage) ? STAGES[stage as Stage] : stage)}</td>${cells.join('')}</tr>`
  })
  return `<div class="scroll"><table><tr><th></th>${head}</tr>${body.join('')}</table></div>`
}

function curves({ epochs, isCut }: Told): string | undefined {
  if (epochs.length === 0) return undefined
  const accuracy = epochs.some((epoch) => epoch.accuracy !== undefined) ? '<div class="chart" id="accuracy"></div>' : ''
  return `<p class="soft">By epoch${isCut ? '; the dashed line is the cut' : ''}.</p><div class="charts"><div class="chart" id="loss"></div>${accuracy}</div>`
}

function partings({ sizes }: Told): string | undefined {
  if (sizes.length === 0) return undefined
  return `<p class="soft">Sizes of units (root of the summed squares of their weights), geometric means over the groups, by epoch.</p>
<div class="chart" id="sizes"></div>`
}

function widths({ groups, plan, apart }: Told, { network: drawn }: PageInput): string | undefined {
  if (groups.length === 0) return undefined
  const gone = new Map(plan?.removed.map(({ group, units }) => [group, units.length]))
  const left = (id: number, size: number) => size - (gone.get(id) ?? 0)
  const [before, after] = [sumOf(groups, ({ size }) => size), sumOf(groups, ({ id, size }) => left(id, size))]
  const rows = groups.map(({ id, kind, size, scopes }) => {
    const ratio = apart.get(id)
    const name =
      drawn === undefined
        ? shown(id)
        : `<button data-group="${shown(id)}" title="show it in the network">${shown(id)}</button>`
    const more = scopes.length > 4 ? ` and ${scopes.length - 4} more` : ''
    const cells = [
      `<td class="number">${name}</td><td class="kind">${shown(kind)}</td>`,
      `${numberCell(size)}${numberCell(left(id, size))}<td class="part">${barOf(left(id, size) / size)}</td>`,
      apart.size === 0 ? '' : `<td class="number kind">${ratio === undefined ? '' : `${shortRatio(ratio)} ×`}</td>`,
      `<td class="in">${escapeXml(scopes.slice(0, 4).join(', '))}${more}</td>`,
    ]
    return `<tr>${cells.join('')}</tr>`
  })
  const titles = [
    '<th class="number">group</th><th class="kind">kind</th><th class="number">before</th><th class="number">after</th><th class="part"></th>',
    apart.size === 0
      ? ''
      : '<th class="number kind" title="size of a unit that stays / of one that goes, before the cut">apart</th>',
    '<th>in</th>',
  ]
  return `<p class="soft">${groups.length} ${groups.length === 1 ? 'group' : 'groups'}; of ${integer(before)} units ${integer(after)} stay.</p>
<div class="scroll"><table class="wide"><thead><tr>${titles.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

const sumOf = <T>(all: readonly T[], value: (each: T) => number): number =>
  all.reduce((sum, each) => sum + value(each), 0)

/** `2.15`, `318`, `1.2e4`: how far apart in three digits. */
const shortRatio = (ratio: number): string =>
  ratio < 1000 ? `${Number(ratio.toPrecision(3))}` : ratio < 1e6 ? integer(ratio) : ratio.toExponential(0)

function network(_: Told, { network: drawn, title }: PageInput): string | undefined {
  if (drawn === undefined) return undefined
  return `<p class="soft">Operators, coloured by group; grey ones are frozen. A framed box holds a module: click it to unfold it.
Drag to move, Ctrl and the wheel to zoom.</p>
${pane(title)}`
}

function frozenParts({ coverage }: Told, { frozen = [] }: PageInput): string | undefined {
  if (coverage === undefined && frozen.length === 0) return undefined
  const words =
    coverage === undefined ? '' : `<p>${percent(coverage)} of the parameters have a dimension that can be pruned.</p>`
  if (frozen.length === 0) return words
  const rows = frozen.map(
    ({ name, dim, size, why }) =>
      `<tr><td class="in">${escapeXml(name)}</td>${numberCell(dim)}${numberCell(size)}<td class="in">${escapeXml(why)}</td></tr>`,
  )
  return `${words}<details><summary>What stays as it is, and why</summary><div class="scroll"><table class="wide"><thead><tr><th>parameter</th><th class="number">dim</th><th class="number">size</th><th>why</th></tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`
}

function uses(_: Told, { files, inputs = [] }: PageInput): string | undefined {
  if (files === undefined) return undefined
  return usesOf(files.small, inputs)
    .map(({ language, code }) => `<h3>${language}</h3><pre>${escapeXml(code)}</pre>`)
    .join('\n')
}

function settings({ settings: settled }: Told, { config, versions = {} }: PageInput): string | undefined {
  const seed = (config as { seed?: number } | undefined)?.seed ?? (config === undefined ? undefined : 0)
  const known = Object.entries({ ...versions, seed }).filter(([, value]) => value !== undefined)
  const all = Object.entries({ settings: settled, config }).filter(([, value]) => value !== undefined)
  if (known.length + all.length === 0) return undefined
  const list = known.map(([name, value]) => `<dt>${escapeXml(name)}</dt><dd>${escapeXml(String(value))}</dd>`)
  const blocks = all.map(([name, value]) => `<h3>${name}</h3><pre>${escapeXml(JSON.stringify(value, null, 2))}</pre>`)
  const more = `<details><summary>Settings and options</summary>${blocks.join('\n')}</details>`
  return `${known.length === 0 ? '' : `<dl>${list.join('')}</dl>`}${all.length === 0 ? '' : more}`
}

/** In their order. */
export const SECTIONS: readonly Section[] = [
  { title: '', make: figures },
  { title: 'Measured', make: stages },
  { title: 'Over the run', make: curves },
  { title: 'Units that stay and units that go', make: partings },
  { title: 'Widths of the groups', make: widths },
  { title: 'The network', make: network },
  { title: 'What can be pruned', make: frozenParts },
  { title: 'How to use the small model', make: uses },
  { title: 'Made with', make: settings },
]
