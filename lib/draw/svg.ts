import { graphlib, layout } from '@dagrejs/dagre'
import type { Picture } from './boxes.js'

export const FONT = 12
/** Width of a character, as part of the size of a monospaced font. */
export const CHARACTER = 0.61
export const LINE = 16
export const PADDING = 8
export const MARGIN = 16
/** From one rank of boxes to the next. */
export const RANKS = 36

/** A picture as an SVG image that needs nothing else. `title` is what a reader without the image is told. */
export function svgOf(picture: Picture, title: string): string {
  const graph = new graphlib.Graph()
  graph.setGraph({ rankdir: 'TB', nodesep: 24, ranksep: RANKS, marginx: MARGIN, marginy: MARGIN })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { id, lines } of picture.boxes) {
    const longest = Math.max(...lines.map((line) => line.length))
    graph.setNode(`${id}`, {
      width: Math.ceil(longest * FONT * CHARACTER) + 2 * PADDING,
      height: lines.length * LINE + 2 * PADDING,
    })
  }
  for (const { from, to } of picture.arrows) graph.setEdge(`${from}`, `${to}`)
  layout(graph)

  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number }
  const arrows = picture.arrows.map(({ from, to }) => {
    const { points = [] } = graph.edge(`${from}`, `${to}`) as { points?: { x: number; y: number }[] }
    const path = points.map(({ x, y }, k) => `${k === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join(' ')
    return `<path d="${path}" class="arrow" marker-end="url(#tip)"/>`
  })
  const boxes = picture.boxes.map(({ id, lines, group, isEnd }) => {
    const { x, y, width: w, height: h } = graph.node(`${id}`) as Record<'x' | 'y' | 'width' | 'height', number>
    const paint = group === undefined ? '' : ` style="fill:${fill(group)};stroke:${stroke(group)}"`
    const text = lines.map(
      (line, k) =>
        `<text x="${round(x)}" y="${round(y - h / 2 + PADDING + LINE * (k + 0.75))}"${k === 0 ? ' class="name"' : ''}>${escapeXml(line)}</text>`,
    )
    const rect = `<rect x="${round(x - w / 2)}" y="${round(y - h / 2)}" width="${w}" height="${h}" rx="4"${paint}/>`
    return `<g class="${isEnd ? 'box end' : 'box'}" data-group="${group ?? ''}">${rect}${text.join('')}</g>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(width)}" height="${Math.ceil(height)}" viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<style>svg{background:#fff}text{font:${FONT}px ui-monospace,Menlo,Consolas,monospace;text-anchor:middle;fill:#222}`,
    '.name{font-weight:700}rect{fill:#eee;stroke:#888}.end rect{fill:#fff;stroke:#222;stroke-dasharray:4 3}',
    '.arrow{fill:none;stroke:#555;stroke-width:1.2}</style>',
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">',
    '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
    ...arrows,
    ...boxes,
    '</svg>',
  ].join('\n')
}

/** Hues far from each other for groups that follow each other. */
export const hue = (group: number): number => Math.round((group * 137.508 + 205) % 360)
export const fill = (group: number): string => `hsl(${hue(group)} 70% 88%)`
const stroke = (group: number): string => `hsl(${hue(group)} 45% 45%)`

const round = (x: number): number => Math.round(x * 10) / 10

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
