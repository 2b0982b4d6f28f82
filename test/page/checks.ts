/**
 * What is looked at in a page, as scripts that run there: each gives a list of faults in words. Plain JavaScript, as the package knows
 * nothing of browsers.
 */

/** What is seen must lie apart, and nothing may be cut off. */
export const LAYOUT_FAULTS = `(() => {
  const faults = []
  const root = document.documentElement
  if (root.scrollWidth > innerWidth) faults.push('the page is ' + root.scrollWidth + ' wide, the window ' + innerWidth)
  const shown = [...document.querySelectorAll('h1,h2,h3,p,.figure,.chart,summary,pre,.tools > *,.unfolded button,.scroll,.network svg,dt,dd,li button')]
    .map((element) => ({ element, box: element.getBoundingClientRect() }))
    .filter(({ box }) => box.width > 0 && box.height > 0)
  const name = (element) => element.tagName + ' ' + JSON.stringify(element.textContent.trim().slice(0, 30))
  for (const { element, box } of shown) {
    if (box.left < -0.5 || box.right > innerWidth + 0.5) faults.push(name(element) + ' is not within the window')
    if (element.matches('.scroll') && element.scrollWidth > element.clientWidth + 1) faults.push('a table is wider than the window')
    const scrolls = /auto|scroll/.test(getComputedStyle(element).overflowX)
    if (!scrolls && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && !element.closest('svg')) faults.push(name(element) + ' is cut off')
  }
  for (const [k, { element: a, box: p }] of shown.entries()) for (const { element: b, box: q } of shown.slice(k + 1)) {
    if (a.contains(b) || b.contains(a)) continue
    const [wide, high] = [Math.min(p.right, q.right) - Math.max(p.left, q.left), Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top)]
    const scroller = a.closest('.scroll,nav,.unfolded') ?? b.closest('.scroll,nav,.unfolded')
    if (wide > 1 && high > 1 && !scroller) faults.push(name(a) + ' lies on ' + name(b))
  }
  return faults
})()`

/** All boxes of the drawing are within it and apart from each other, and their text is within them. */
export const DRAWING_FAULTS = `(() => {
  const faults = []
  const pane = document.querySelector('.network svg').getBoundingClientRect()
  const boxes = [...document.querySelectorAll('.network .box')].map((element) => {
    const box = [...element.querySelectorAll('rect')].at(-1).getBoundingClientRect()
    const name = element.querySelector('.name').textContent
    for (const text of element.querySelectorAll('text')) {
      const { left, right, top, bottom } = text.getBoundingClientRect()
      if (left < box.left || right > box.right || top < box.top - 1 || bottom > box.bottom + 1) faults.push('text leaves the box of ' + name)
    }
    return { box, name }
  })
  for (const arrow of document.querySelectorAll('.network .arrow')) {
    const { left, right, top, bottom } = arrow.getBoundingClientRect()
    if (left < pane.left || right > pane.right || top < pane.top || bottom > pane.bottom) faults.push('an arrow leaves the drawing')
  }
  if (boxes.length === 0) faults.push('nothing is drawn')
  for (const [k, { box: p, name }] of boxes.entries()) {
    if (p.left < pane.left || p.right > pane.right || p.top < pane.top || p.bottom > pane.bottom) faults.push(name + ' is not seen')
    for (const { box: q, name: other } of boxes.slice(k + 1)) {
      if (p.left < q.right - 0.5 && q.left < p.right - 0.5 && p.top < q.bottom - 0.5 && q.top < p.bottom - 0.5) faults.push(name + ' lies on ' + other)
    }
  }
  return faults
})()`

/** The figures that the page shows, and what its charts are drawn from. */
export const SHOWN = `(() => {
  const { epochs, sizes } = JSON.parse(document.getElementById('data').textContent)
  const figures = [...document.querySelectorAll('.figure')].map((figure) => [...figure.children].slice(0, 3).map(({ textContent }) => textContent))
  const widths = [...document.querySelectorAll('table.wide tbody tr')].map((row) => [...row.querySelectorAll('.number')].slice(0, 3).map(({ textContent }) => Number(textContent)))
  return { epochs, sizes, figures, widths }
})()`
