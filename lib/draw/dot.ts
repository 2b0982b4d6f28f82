import type { Picture } from './boxes.js'
import { fill } from './svg.js'

/** A picture in the language of Graphviz. */
export function dotOf({ boxes, arrows }: Picture, title: string): string {
  const text = (lines: readonly string[]) => JSON.stringify(lines.join('\n'))
  return [
    `digraph ${JSON.stringify(title)} {`,
    '  node [shape=box, style="rounded,filled", fillcolor="#eeeeee", fontname=monospace, fontsize=10]',
    ...boxes.map(({ id, lines, group, isEnd }) => {
      const colour = group === undefined ? '' : `, fillcolor=${JSON.stringify(hsv(fill(group)))}, group=${group}`
      return `  b${id} [label=${text(lines)}${colour}${isEnd ? ', style=dashed' : ''}]`
    }),
    ...arrows.map(({ from, to }) => `  b${from} -> b${to}`),
    '}',
    '',
  ].join('\n')
}

/** Graphviz knows no `hsl()`: hue, saturation and value in 0..1. */
function hsv(hsl: string): string {
  const [h, s, l] = (hsl.match(/\d+/g) ?? []).map(Number) as [number, number, number]
  const value = l / 100 + (s / 100) * Math.min(l / 100, 1 - l / 100)
  const saturation = value === 0 ? 0 : 2 * (1 - l / 100 / value)
  return [h / 360, saturation, value].map((x) => x.toFixed(3)).join(' ')
}
