import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { embedded, scripts } from '../draw/network/pane.js'
import { STYLE as NETWORK_STYLE } from '../draw/network/style.js'
import { escapeXml } from '../draw/svg.js'
import { CLIENT } from './client.js'
import { type PageInput, toldBy } from './input.js'
import { SECTIONS } from './sections.js'
import { STYLE } from './style.js'

/** Seconds from one look of a page at its file to the next, while the run goes on. */
const RELOAD = 5

/**
 * A page that shows a run: it needs no network and no other file.
 *
 * @returns the text of an HTML file
 */
export function pageOf(input: PageInput): string {
  const told = toldBy(input.records)
  const sections = SECTIONS.flatMap(({ title, make }) => {
    const inner = make(told, input)
    return inner === undefined ? [] : [`<section>${title === '' ? '' : `<h2>${title}</h2>\n`}${inner}</section>`]
  })
  const { epochs, sizes, isCut } = told
  const title = escapeXml(input.title)
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">${input.running ? `<meta http-equiv="refresh" content="${RELOAD}">` : ''}
<title>${title}</title>
<style>${chartFile('uPlot.min.css')}
${STYLE}${input.network ? NETWORK_STYLE : ''}</style></head>
<body><header><h1>${title}</h1>${stateOf(input)}</header>
<main>
${sections.join('\n')}
</main>
<script type="application/json" id="data">${embedded({ epochs, sizes, isCut })}</script>
<script>${chartFile('uPlot.iife.min.js')}</script>
<script>${CLIENT}</script>
${input.network ? scripts(input.network) : ''}
</body></html>
`
}

function stateOf({ running, stopped }: PageInput): string {
  if (running) return '<p class="running">The run goes on; this page follows it.</p>'
  return stopped === undefined ? '' : `<p class="stopped">The run ended before it was done: ${escapeXml(stopped)}</p>`
}

/** A file of the chart library. */
function chartFile(name: string): string {
  const path = createRequire(import.meta.url).resolve(`uplot/dist/${name}`)
  return readFileSync(path, 'utf8')
}
