import type { SparsifyResult } from 'espalier'

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM] = [640, 260, 48, 28, 30] as const

/** Accuracy over a run, epoch by epoch, as an SVG: both phases, and the cut between them. */
export function accuracyCurve({ history, evaluations }: SparsifyResult): string {
  const { before, cut } = evaluations
  const sparse = history.filter(({ phase }) => phase === 'sparse').length
  const points: [epoch: number, accuracy: number][] = [[0, before?.accuracy ?? Number.NaN]]
  for (const [k, { validation }] of history.entries()) points.push([k + 1, validation?.accuracy ?? Number.NaN])
  const shown = points.filter(([, accuracy]) => Number.isFinite(accuracy))
  const low = Math.floor(20 * Math.min(...shown.map(([, accuracy]) => accuracy), cut?.accuracy ?? 1)) / 20
  const x = (epoch: number) => LEFT + (epoch / Math.max(1, history.length)) * (WIDTH - LEFT - 12)
  const y = (accuracy: number) => TOP + ((1 - accuracy) / (1 - low || 1)) * (HEIGHT - TOP - BOTTOM)
  const at = ([epoch, accuracy]: [number, number]) => `${x(epoch).toFixed(1)} ${y(accuracy).toFixed(1)}`
  const levels = [low, (1 + low) / 2, 1].map(
    (level) =>
      `<path d="M${LEFT} ${y(level)}H${WIDTH - 12}" class="grid"/><text x="${LEFT - 6}" y="${y(level) + 4}" text-anchor="end">${(100 * level).toFixed(1)}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<title>Accuracy over the run</title>
<style>svg{background:#fff;fill:#1f2328}.grid{stroke:#d1d9e0}.line{fill:none;stroke:#1a7f37;stroke-width:2}.cut{stroke:#cf222e;stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){svg{background:#0d1117;fill:#f0f6fc}.grid{stroke:#3d444d}.line{stroke:#3fb950}.cut{stroke:#f85149}}</style>
<text x="${LEFT}" y="16">Accuracy in percent on held-out data, by epoch</text>
${levels.join('\n')}
<path d="M${x(sparse)} ${TOP}V${HEIGHT - BOTTOM}" class="cut"/>
<text x="${x(sparse) / 2 + LEFT / 2}" y="${HEIGHT - 10}" text-anchor="middle">regularized: ${sparse} epochs</text>
<text x="${(x(sparse) + WIDTH) / 2}" y="${HEIGHT - 10}" text-anchor="middle">cut, then fine-tuned: ${history.length - sparse}</text>
<path d="M${shown.map(at).join('L')}" class="line"/>
${cut?.accuracy === undefined ? '' : `<circle cx="${x(sparse)}" cy="${y(cut.accuracy)}" r="4"><title>right after the cut: ${(100 * cut.accuracy).toFixed(2)}</title></circle>`}
</svg>
`
}
