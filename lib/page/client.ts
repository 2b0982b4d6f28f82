/** What the page does in a browser: draws the curves, and moves the drawing. Plain JavaScript, as it is put into the page. */
export const CLIENT = `
const { epochs, sizes } = JSON.parse(document.getElementById('data').textContent)
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()
const cut = epochs.filter(({ phase }) => phase === 'sparse').length
const whole = epochs.some(({ phase }) => phase === 'finetune')

const marks = { hooks: { draw: [({ ctx, bbox, valToPos }) => {
  if (!whole) return
  const x = valToPos(cut, 'x', true)
  ctx.save()
  ctx.strokeStyle = colour('warn')
  ctx.setLineDash([6, 4])
  ctx.beginPath()
  ctx.moveTo(x, bbox.top)
  ctx.lineTo(x, bbox.top + bbox.height)
  ctx.stroke()
  ctx.restore()
}] } }

function chart(id, columns, lines, { log = false, percent = false } = {}) {
  const place = document.getElementById(id)
  if (!place || columns[0].length === 0) return
  const axis = { stroke: colour('text'), grid: { stroke: colour('line') }, ticks: { stroke: colour('line') } }
  const values = percent ? (_, ticks) => ticks.map((tick) => (100 * tick).toFixed(0) + ' %') : undefined
  const options = {
    width: place.clientWidth, height: 240, plugins: [marks], cursor: { y: false },
    scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
    axes: [{ ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }, { ...axis, size: 60, ...(values ? { values } : {}) }],
    series: [{ label: 'epoch' }, ...lines.map(([label, name]) => ({
      label, stroke: colour(name), width: 2, spanGaps: true,
      value: (_, value) => value == null ? '' : percent ? (100 * value).toFixed(2) + ' %' : value.toPrecision(4),
    }))],
  }
  const plot = new uPlot(options, columns, place)
  addEventListener('resize', () => plot.setSize({ width: place.clientWidth, height: 240 }))
}

const numbers = epochs.map((_, k) => k + 1)
const accuracies = epochs.map(({ accuracy }) => accuracy ?? null)
chart('loss', [numbers, epochs.map(({ loss }) => loss)], [['training loss', 'first']])
if (accuracies.some((value) => value !== null)) chart('accuracy', [numbers, accuracies], [['accuracy', 'second']], { percent: true })
chart('sizes', [sizes.map(({ epoch }) => epoch), sizes.map(({ kept }) => kept), sizes.map(({ chosen }) => chosen)],
  [['units that stay', 'second'], ['units that go', 'warn']], { log: true })

const svg = document.querySelector('.drawing svg')
if (svg) {
  const [width, height] = [svg.width.baseVal.value, svg.height.baseVal.value]
  const zoom = document.getElementById('zoom')
  const fit = () => Math.min(1, document.querySelector('.drawing').clientWidth / width)
  const scale = (part) => {
    svg.setAttribute('width', width * part)
    svg.setAttribute('height', height * part)
  }
  const show = () => scale(zoom.value === '0' ? fit() : zoom.value / 100)
  zoom.addEventListener('input', show)
  document.querySelector('.network').addEventListener('toggle', show)
  document.getElementById('search').addEventListener('input', ({ target }) => {
    const wanted = target.value.toLowerCase()
    let first
    for (const box of svg.querySelectorAll('.box')) {
      const found = wanted !== '' && box.textContent.toLowerCase().includes(wanted)
      box.classList.toggle('found', found)
      if (found) first ??= box
    }
    first?.scrollIntoView({ block: 'center', inline: 'center' })
  })
}
`
