// From runs to a picture: for each family, what is left right at the cut by how much is removed.

/** @typedef {import('./table.mjs').Row} Row */

const THEMES = {
  light: { back: '#ffffff', text: '#1f2328', grid: '#d1d9e0', lines: ['#1a7f37', '#0969da', '#9a6700', '#cf222e'] },
  dark: { back: '#0d1117', text: '#f0f6fc', grid: '#3d444d', lines: ['#3fb950', '#4493f8', '#d29922', '#f85149'] },
}
const [WIDTH, HEIGHT, COLUMNS, MARGIN] = [220, 150, 3, 34]
const FACTORS = [1, 2, 4, 8]
/** Right at the cut they are what another line shows: the one shot, the default. */
const HIDDEN = ['masked from the start', 'default, no labels']

/** How good a model is, in 0..1, whatever its metric. @param {Row['metric']} metric @param {number} value */
const quality = (metric, value) => (metric === 'perplexity' ? 1 / value : value)

/** @param {readonly Row[]} rows @param {'light' | 'dark'} theme */
export function plot(rows, theme) {
  const { back, text, grid, lines } = THEMES[theme]
  const families = [...new Set(rows.map(({ family }) => family))]
  const methods = [...new Set(rows.map(({ method }) => method))].filter((name) => !HIDDEN.includes(name))
  const height = Math.ceil(families.length / COLUMNS) * HEIGHT + 70
  const parts = families.map((family, k) => {
    const own = rows.filter((row) => row.family === family)
    const inner = panel(family, own, methods, { text, grid, lines })
    return `<g transform="translate(${(k % COLUMNS) * WIDTH + MARGIN} ${Math.floor(k / COLUMNS) * HEIGHT + 40})">${inner}</g>`
  })
  const legend = methods.map(
    (method, k) =>
      `<g transform="translate(${MARGIN + k * 160} ${height - 16})"><path d="M0 -4h18" stroke="${lines[k]}" stroke-width="2"/><text x="24">${method}</text></g>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${COLUMNS * WIDTH + 20} ${height}" font-family="sans-serif" font-size="11" fill="${text}">`,
    '<title>What is left right at the cut, by family</title>',
    `<rect width="100%" height="100%" fill="${back}"/>`,
    `<text x="${MARGIN}" y="20" font-size="13">Right at the cut, as a part of the quality before, by the part of the MACs that stays</text>`,
    ...parts,
    ...legend,
    '</svg>',
    '',
  ].join('\n')
}

/** @param {string} family @param {readonly Row[]} rows @param {readonly string[]} methods @param {{ text: string, grid: string, lines: string[] }} colours */
function panel(family, rows, methods, { grid, lines }) {
  const [width, height] = [WIDTH - 50, HEIGHT - 50]
  const x = (/** @type {number} */ factor) => (FACTORS.indexOf(factor) / (FACTORS.length - 1)) * width
  const y = (/** @type {number} */ part) => height * (1 - Math.min(1.1, Math.max(0, part)) / 1.1)
  const ticks = FACTORS.map((f) => `<text x="${x(f)}" y="${height + 14}" text-anchor="middle">1/${f}</text>`)
  const levels = [0, 0.5, 1].map(
    (part) =>
      `<path d="M0 ${y(part)}H${width}" stroke="${grid}"/><text x="-6" y="${y(part) + 4}" text-anchor="end">${100 * part}</text>`,
  )
  const curves = methods.map((method, k) => {
    const points = FACTORS.slice(1).flatMap((factor) => {
      const own = rows.filter((row) => row.method === method && row.factor === factor)
      if (own.length === 0) return []
      const parts = own.map(({ metric, before, cut }) => quality(metric, cut) / quality(metric, before))
      return [[x(factor), y(parts.reduce((a, b) => a + b, 0) / parts.length)]]
    })
    const path = [[x(1), y(1)], ...points].map(([px = 0, py = 0]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join('L')
    return `<path d="M${path}" fill="none" stroke="${lines[k]}" stroke-width="2"/>`
  })
  return [`<text y="-6" font-weight="bold">${family}</text>`, ...levels, ...ticks, ...curves].join('')
}
