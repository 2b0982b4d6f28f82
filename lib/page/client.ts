/** What the page does in a browser: draws the curves, anew where the size or the colours change. Plain JavaScript, as it is put into the page. */
export const CLIENT = `
const { epochs, sizes, isCut } = JSON.parse(document.getElementById('data').textContent)
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()
const cut = epochs.filter(({ phase }) => phase === 'sparse').length

const marks = { hooks: { draw: [({ ctx, bbox, valToPos }) => {
  if (!isCut) return
  const x = valToPos(cut, 'x', true)
  ctx.save()
  ctx.strokeStyle = ctx.fillStyle = colour('soft')
  ctx.lineWidth = devicePixelRatio
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio])
  ctx.beginPath()
  ctx.moveTo(x, bbox.top)
  ctx.lineTo(x, bbox.top + bbox.height)
  ctx.stroke()
  ctx.font = 11 * devicePixelRatio + 'px system-ui, sans-serif'
  ctx.textAlign = 'right'
  ctx.fillText('cut', x - 4 * devicePixelRatio, bbox.top + bbox.height / 2)
  ctx.restore()
}] } }

/** Lines at powers of ten alone. */
const decades = (_, splits) => splits.map((value) => Number.isInteger(+Math.log10(value).toFixed(6)) ? value : null)

const HEIGHT = 240
let plots = []
function chart(id, columns, lines, { log = false, percent = false } = {}) {
  const place = document.getElementById(id)
  if (!place || columns[0].length === 0) return
  const axis = { stroke: colour('soft'), grid: { stroke: colour('line'), width: 1 }, ticks: { stroke: colour('line'), width: 1 } }
  const short = (value) => value == null ? '' : percent ? +(100 * value).toFixed(1) + ' %' : value === 0 ? '0' : +value.toPrecision(3) + ''
  const whole = (value) => value == null ? '–' : percent ? (100 * value).toFixed(2) + ' %' : value.toPrecision(4)
  const options = {
    width: place.clientWidth, height: HEIGHT, plugins: [marks], cursor: { y: false },
    scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
    axes: [{ ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }, { ...axis, ...(log ? { grid: { ...axis.grid, filter: decades }, ticks: { ...axis.ticks, filter: decades } } : {}), size: 64, values: (_, ticks) => ticks.map(short) }],
    series: [{ label: 'epoch', value: (_, value) => value == null ? '–' : value }, ...lines.map(([label, name, dash]) => ({
      label, stroke: colour(name), width: 2, spanGaps: true, points: { show: columns[0].length < 3 }, value: (_, value) => whole(value), ...(dash ? { dash } : {}),
    }))],
  }
  plots.push([new uPlot(options, columns, place), place])
}

function charts() {
  for (const [plot] of plots) plot.destroy()
  plots = []
  const numbers = epochs.map((_, k) => k + 1)
  const accuracies = epochs.map(({ accuracy }) => accuracy ?? null)
  chart('loss', [numbers, epochs.map(({ loss }) => loss ?? null)], [['training loss', 'accent']])
  if (accuracies.some((value) => value !== null)) chart('accuracy', [numbers, accuracies], [['accuracy', 'accent']], { percent: true })
  chart('sizes', [sizes.map(({ epoch }) => epoch), sizes.map(({ kept }) => kept), sizes.map(({ chosen }) => chosen)],
    [['units that stay', 'accent'], ['units that go', 'soft', [6, 4]]], { log: true })
}
charts()
addEventListener('resize', () => plots.forEach(([plot, place]) => plot.setSize({ width: place.clientWidth, height: HEIGHT })))
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', charts)
`
