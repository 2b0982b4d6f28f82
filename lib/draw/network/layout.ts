import { CHARACTER, FONT, LINE, MARGIN, PADDING, RANKS } from '../svg.js'

/**
 * Where boxes go in a browser: dagre ranks them, and ranks go into as many columns as make the drawing largest in its window. Plain
 * JavaScript, as it is put into a page behind dagre.
 */
export const LAYOUT = `
const networkLayout = (() => {
  /** Boxes that are drawn at once at most: beyond it the layout takes seconds, and nobody sees anything. */
  const MOST = 400, GUTTER = 56, EDGE = ${MARGIN + 4}, SIDE = 40

  /** Where a drawing lies to be seen whole, never larger than it is. */
  const Fit = (size, window) => {
    const scale = Math.min(1, window.width / size.width, window.height / size.height)
    return { scale, x: (window.width - scale * size.width) / 2, y: Math.max(0, (window.height - scale * size.height) / 2) }
  }

  /** @param boxes their lines; @param arrows pairs of positions; @returns places, paths of arrows, and the size of all */
  function layOut(boxes, arrows, window) {
    const graph = new dagre.graphlib.Graph()
    graph.setGraph({ rankdir: 'TB', nodesep: 24, ranksep: ${RANKS}, marginx: 0, marginy: 0 })
    graph.setDefaultEdgeLabel(() => ({}))
    boxes.forEach((lines, k) => graph.setNode(String(k), {
      width: Math.ceil(Math.max(...lines.map(({ length }) => length)) * ${FONT * CHARACTER}) + ${2 * PADDING},
      height: lines.length * ${LINE} + ${2 * PADDING},
    }))
    for (const [from, to] of arrows) graph.setEdge(String(from), String(to))
    dagre.layout(graph)
    const nodes = boxes.map((_, k) => {
      const { x, y, width, height } = graph.node(String(k))
      return { x: x - width / 2, y: y - height / 2, width, height }
    })
    const lines = arrows.map(([from, to]) => ({ from, to, points: graph.edge(String(from), String(to)).points ?? [] }))
    return inColumns(nodes, lines, window)
  }

  /** Boxes side by side share a band. */
  function bandsOf(nodes) {
    const bands = []
    for (const [k, { y, height }] of [...nodes.entries()].sort(([, a], [, b]) => a.y - b.y)) {
      const last = bands.at(-1)
      if (last && y < last.bottom) {
        last.bottom = Math.max(last.bottom, y + height)
        last.own.push(k)
      } else bands.push({ top: y, bottom: y + height, own: [k] })
    }
    return bands
  }

  /** Bands in columns of this height at most. */
  function filled(bands, most) {
    const columns = [[]]
    for (const band of bands) {
      const [first] = columns.at(-1)
      if (first && band.bottom - first.top > most) columns.push([])
      columns.at(-1).push(band)
    }
    return columns
  }

  function inColumns(nodes, lines, window) {
    const bands = bandsOf(nodes)
    if (bands.length === 0) return { places: [], paths: [], width: 1, height: 1 }
    const whole = bands.at(-1).bottom - bands[0].top
    const tries = []
    for (let count = 1; count <= Math.min(12, bands.length); count++) {
      for (const slack of [1, 1.06, 1.12, 1.2, 1.4]) tries.push(filled(bands, (slack * whole) / count))
    }
    let best
    for (const columns of tries.sort((a, b) => a.length - b.length)) {
      const made = placed(columns, nodes, lines)
      const { scale } = Fit(made, window)
      if (!best || scale > 1.12 * best.scale) best = { scale, made }
    }
    return { ...best.made, paths: lines.map((line, k) => pathOf(line, k, best.made)) }
  }

  function placed(columns, nodes, lines) {
    // Arrows from column to column pass beside the outermost ones, too.
    const side = columns.length > 1 ? SIDE : EDGE
    let x = side, height = 0
    const places = [], columnOf = [], shifts = [], bandOf = []
    columns.forEach((bands, c) => {
      const [top, bottom] = [bands[0].top, bands.at(-1).bottom]
      const own = new Set(bands.flatMap((band) => band.own))
      const bends = lines.filter(({ from, to }) => own.has(from) && own.has(to)).flatMap(({ points }) => points.map((point) => point.x))
      const left = Math.min(...bends, ...[...own].map((k) => nodes[k].x))
      const right = Math.max(...bends, ...[...own].map((k) => nodes[k].x + nodes[k].width))
      shifts.push({ x: x - left, y: EDGE - top, left: x, right: x + right - left })
      for (const band of bands) for (const k of band.own) {
        columnOf[k] = c
        bandOf[k] = { top: band.top + EDGE - top, bottom: band.bottom + EDGE - top }
        places[k] = { ...nodes[k], x: nodes[k].x + x - left, y: nodes[k].y + EDGE - top }
      }
      x += right - left + GUTTER
      height = Math.max(height, bottom - top)
    })
    return { places, columnOf, shifts, bandOf, width: x - GUTTER + side, height: height + 2 * EDGE }
  }

  /** Within a column as dagre has it; from one to another through the space between them, and above those in the middle. */
  function pathOf({ from, to, points }, k, { places, columnOf, shifts, bandOf }) {
    const [a, b] = [columnOf[from], columnOf[to]]
    const join = (all) => all.map(([x, y], i) => (i === 0 ? 'M' : 'L') + x.toFixed(1) + ' ' + y.toFixed(1)).join(' ')
    if (a === b) return join(points.map(({ x, y }) => [x + shifts[a].x, y + shifts[a].y]))
    const lane = 4 * (k % 5)
    const [start, end] = [places[from], places[to]]
    const [sx, ex] = [start.x + start.width / 2, end.x + end.width / 2]
    const low = bandOf[from].bottom + 8 + lane / 2, high = bandOf[to].top - 8 - lane / 2
    const out = shifts[a].right + 16 + lane, back = shifts[b].left - 16 - lane
    const way = b === a + 1 ? [[out, low], [out, high]] : [[out, low], [out, 4 + lane / 2], [back, 4 + lane / 2], [back, high]]
    return join([[sx, start.y + start.height], [sx, low], ...way, [ex, high], [ex, end.y]])
  }

  /** Hues far from each other for groups that follow each other. */
  const hue = (group) => Math.round((group * 137.508 + 205) % 360)
  return { Fit, layOut, hue, MOST }
})()
`
