/**
 * What draws a network in a browser: boxes that fold and unfold, laid out anew each time, in as many columns as fill the window best;
 * zoom, pan, search, and groups that light up. Plain JavaScript, as it is put into a page behind dagre and the layout.
 */
export const CLIENT = `
function drawNetwork(pane, { boxes, arrows, root }) {
  const { Fit, layOut, MOST } = networkLayout
  const find = (name) => pane.querySelector(name)
  const svg = find('svg'), stage = find('.stage'), chips = find('.unfolded'), note = find('.found')
  const open = new Set()
  const inside = (part) => (typeof part === 'number' ? [part] : part.parts.flatMap(inside))
  const closed = (part) => typeof part !== 'number' && !open.has(part)
  const visible = (parts) => parts.flatMap((part) => (typeof part === 'number' || closed(part) ? [part] : visible(part.parts)))
  const within = (part) => (typeof part === 'number' ? [] : [part, ...part.parts.flatMap(within)])
  const folds = root.parts.flatMap(within)
  let view = { x: 0, y: 0, scale: 1 }, size = { width: 1, height: 1 }, places = new Map(), lit, pinned, wanted = '', moved = false

  const show = () => stage.setAttribute('transform', 'translate(' + view.x + ' ' + view.y + ') scale(' + view.scale + ')')
  const window_ = () => ({ width: svg.clientWidth || 800, height: svg.clientHeight || 500 })
  function fit() {
    const { width, height } = window_()
    view = Fit(size, { width, height })
    moved = false
    show()
  }
  function zoom(by, x = window_().width / 2, y = window_().height / 2) {
    const scale = Math.min(4, Math.max(0.02, view.scale * by))
    view = { scale, x: x - ((x - view.x) * scale) / view.scale, y: y - ((y - view.y) * scale) / view.scale }
    moved = true
    show()
  }
  function centre(item) {
    const place = places.get(item)
    if (!place) return
    const { width, height } = window_()
    const scale = Math.max(view.scale, 0.8)
    view = { scale, x: width / 2 - scale * (place.x + place.width / 2), y: height / 2 - scale * (place.y + place.height / 2) }
    moved = true
    show()
  }

  const make = (name, attributes, text) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name)
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
    if (text !== undefined) element.textContent = text
    return element
  }
  const groupsOf = (item) => new Set(inside(item).flatMap((id) => boxes[id].groups))
  const textOf = (item) => inside(item).map((id) => [...boxes[id].lines, ...boxes[id].scopes].join(' ')).join(' ').toLowerCase()

  function boxOf(item, { x, y, width, height }) {
    const folded = typeof item !== 'number'
    const { lines, group, end } = folded ? { ...item, group: undefined, end: false } : boxes[item]
    const g = make('g', { class: 'box' + (folded ? ' folded' : '') + (end ? ' end' : '') })
    if (group !== undefined) g.style.setProperty('--hue', networkLayout.hue(group))
    if (group !== undefined) g.classList.add('grouped')
    if (folded) g.append(make('rect', { x: x + 4, y: y + 4, width, height, rx: 5, class: 'behind' }))
    g.append(make('rect', { x, y, width, height, rx: 5 }))
    lines.forEach((line, k) => g.append(make('text', { x: x + width / 2, y: y + 8 + 16 * (k + 0.75), ...(k === 0 ? { class: 'name' } : {}) }, line)))
    if (folded) {
      g.setAttribute('role', 'button')
      g.setAttribute('tabindex', '0')
      g.setAttribute('aria-label', 'unfold ' + item.name)
      g.addEventListener('click', () => toggle(item))
      g.addEventListener('keydown', ({ key }) => { if (key === 'Enter') toggle(item) })
    } else if (group !== undefined) {
      g.addEventListener('mouseenter', () => light(group))
      g.addEventListener('mouseleave', () => light(undefined))
    }
    return g
  }

  const linesOf = (item) => (typeof item === 'number' ? boxes[item] : item).lines
  function laidOut() {
    const items = visible(root.parts)
    const at = new Map(items.flatMap((item, k) => inside(item).map((id) => [id, k])))
    const pairs = new Map(arrows.map(([from, to]) => [at.get(from), at.get(to)]).filter(([a, b]) => a !== b).map((pair) => [pair.join(' '), pair]))
    return { items, laid: layOut(items.map(linesOf), [...pairs.values()], window_()) }
  }
  /** Lays out what is visible, and draws it. */
  function draw() {
    const { items, laid } = laidOut()
    size = laid
    places = new Map(items.map((item, k) => [item, laid.places[k]]))
    stage.replaceChildren(
      ...laid.paths.map((d) => make('path', { d, class: 'arrow', 'marker-end': 'url(#tip)' })),
      ...items.map((item) => boxOf(item, places.get(item))),
    )
    chips.replaceChildren(...folds.filter((fold) => open.has(fold)).map((fold) => {
      const chip = document.createElement('button')
      chip.textContent = fold.name.split(' … ').map((name) => name.split('.').slice(-2).join('.')).join(' … ') + ' ×'
      chip.title = 'fold ' + fold.name
      chip.addEventListener('click', () => toggle(fold))
      return chip
    }))
    mark()
  }
  function mark() {
    let count = 0
    stage.querySelectorAll('.box').forEach((element, k) => {
      const item = [...places.keys()][k]
      const found = wanted !== '' && textOf(item).includes(wanted)
      element.classList.toggle('match', found)
      element.classList.toggle('lit', lit !== undefined && groupsOf(item).has(lit))
      if (found) count += typeof item === 'number' ? 1 : inside(item).filter((id) => textOf(id).includes(wanted)).length
    })
    svg.classList.toggle('faded', lit !== undefined)
    note.textContent = wanted === '' ? '' : count + ' found'
  }
  /** A group that is pointed at, else the one that was clicked last. */
  function light(group) {
    lit = group ?? pinned
    mark()
  }
  svg.addEventListener('click', ({ target }) => {
    if (target !== svg) return
    pinned = undefined
    light()
  })

  function toggle(fold) {
    if (open.has(fold)) for (const each of within(fold)) open.delete(each)
    else open.add(fold)
    if (visible(root.parts).length > MOST) {
      open.delete(fold)
      note.textContent = 'more than ' + MOST + ' boxes: fold some first'
      return
    }
    draw()
    fit()
    find('.stage .folded')?.blur()
  }
  const canOpen = () => {
    const before = [...open]
    for (const fold of folds) open.add(fold)
    const all = visible(root.parts).length
    open.clear()
    for (const fold of before) open.add(fold)
    return all <= MOST
  }
  /** Unfolds level by level, while all of it can be read. */
  function unfoldWhatFits() {
    for (;;) {
      const next = visible(root.parts).filter((part) => typeof part !== 'number')
      if (next.length === 0) return
      for (const fold of next) open.add(fold)
      const count = visible(root.parts).length
      if (count <= 6 || (count <= 60 && Fit(laidOut().laid, window_()).scale >= 0.6)) continue
      for (const fold of next) open.delete(fold)
      return
    }
  }
  function all(unfolded) {
    open.clear()
    if (unfolded) for (const fold of folds) open.add(fold)
    draw()
    fit()
  }

  find('.more').addEventListener('click', () => zoom(1.25))
  find('.less').addEventListener('click', () => zoom(0.8))
  find('.fit').addEventListener('click', fit)
  find('.fold').addEventListener('click', () => all(false))
  const unfold = find('.unfold')
  unfold.disabled = !canOpen()
  unfold.title = unfold.disabled ? 'more than ' + MOST + ' boxes' : ''
  unfold.addEventListener('click', () => all(true))
  const search = find('input')
  search.addEventListener('input', () => {
    wanted = search.value.trim().toLowerCase()
    mark()
  })
  search.addEventListener('keydown', ({ key }) => {
    if (key !== 'Enter' || wanted === '') return
    const hit = inside(root).find((id) => textOf(id).includes(wanted))
    if (hit === undefined) return
    reveal(hit)
    centre(hit)
  })
  function reveal(id) {
    const closedOnes = folds.filter((fold) => !open.has(fold) && inside(fold).includes(id))
    if (closedOnes.length === 0) return
    for (const fold of closedOnes) open.add(fold)
    draw()
    fit()
  }

  svg.addEventListener('wheel', (event) => {
    const scrolls = document.documentElement.scrollHeight > innerHeight + 1
    if (scrolls && !event.ctrlKey && !event.metaKey) return
    event.preventDefault()
    const { left, top } = svg.getBoundingClientRect()
    zoom(Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top)
  }, { passive: false })
  const fingers = new Map()
  svg.addEventListener('pointerdown', (event) => fingers.set(event.pointerId, event))
  addEventListener('pointermove', (event) => {
    const before = fingers.get(event.pointerId)
    if (!before) return
    const others = [...fingers.values()].filter(({ pointerId }) => pointerId !== event.pointerId)
    if (others.length > 0) {
      const { left, top } = svg.getBoundingClientRect()
      const apart = ({ clientX, clientY }) => Math.hypot(clientX - others[0].clientX, clientY - others[0].clientY) || 1
      zoom(apart(event) / apart(before), others[0].clientX - left, others[0].clientY - top)
    } else {
      view = { ...view, x: view.x + event.clientX - before.clientX, y: view.y + event.clientY - before.clientY }
      moved = true
      show()
    }
    fingers.set(event.pointerId, event)
  })
  for (const end of ['pointerup', 'pointercancel']) addEventListener(end, ({ pointerId }) => fingers.delete(pointerId))
  svg.addEventListener('keydown', ({ key }) => {
    const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }
    if (key === '+' || key === '-') zoom(key === '+' ? 1.25 : 0.8)
    else if (key === '0') fit()
    else if (steps[key]) {
      view = { ...view, x: view.x + steps[key][0], y: view.y + steps[key][1] }
      show()
    }
  })
  // A group that is named elsewhere in the page.
  for (const link of document.querySelectorAll('[data-group]')) {
    const group = Number(link.dataset.group)
    link.addEventListener('mouseenter', () => light(group))
    link.addEventListener('mouseleave', () => light(undefined))
    link.addEventListener('click', () => {
      pane.scrollIntoView({ block: 'nearest' })
      const hit = inside(root).find((id) => boxes[id].groups.includes(group))
      if (hit === undefined) return
      reveal(hit)
      pinned = group
      light(group)
      centre(hit)
    })
  }
  let width = 0
  new ResizeObserver(() => {
    if (svg.clientWidth === 0 || svg.clientWidth === width) return
    if (width === 0) unfoldWhatFits()
    width = svg.clientWidth
    draw()
    if (!moved) fit()
  }).observe(svg)
}
`
