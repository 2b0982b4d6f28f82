import { draw } from 'espalier'
import { analyse, describePlan, unitCount } from 'espalier/analysis'
import { describe, expect, it } from 'vitest'
import { RecordBuilder } from '../support/build.js'

function block() {
  const b = new RecordBuilder()
  const stem = b.norm('bn', b.conv('stem', b.input(2, 3, 4, 4), 8))
  const sum = b.binary('add', b.conv('conv<2>', b.unary('relu', b.conv('conv1', stem, 6)), 8), stem)
  return analyse(b.record(b.conv('head', sum, 4)))
}

/** Boxes of an SVG: their lines of text. */
const boxes = (svg: string) =>
  [...svg.matchAll(/<g class="box[^>]*>.*?<\/g>/g)].map(([box]) =>
    [...box.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, line]) => line),
  )

describe('draw', () => {
  it('puts operators that hand a value on within one group into one box', () => {
    expect(boxes(draw(block()))).toEqual([
      ['input 0', '[2, 3, 4, 4]'],
      ['conv2d, batch_norm', 'stem bn', '[2, 8, 4, 4]', 'group 0: 8 channels'],
      ['conv2d, relu', 'conv1', '[2, 6, 4, 4]', 'group 1: 6 channels'],
      ['conv2d', 'conv&lt;2&gt;', '[2, 8, 4, 4]', 'group 0: 8 channels'],
      ['add', '[2, 8, 4, 4]', 'group 0: 8 channels'],
      ['conv2d', 'head', '[2, 4, 4, 4]'],
      ['output 0'],
    ])
  })

  it('shows sizes before and after a plan', () => {
    const analysis = block()
    const removed = new Uint8Array(unitCount(analysis)).fill(1, 0, 3)
    const shapes = boxes(draw(analysis, { plan: describePlan(analysis, removed) })).map((lines) => lines.at(-2))
    expect(shapes).toContain('[2, 8 → 5, 4, 4]')
    expect(shapes).toContain('[2, 6, 4, 4]')
  })

  it('draws an arrow for every value that is read, and no box over another', () => {
    const svg = draw(block())
    expect(svg.match(/class="arrow"/g)).toHaveLength(7)
    const rects = [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g)].map((m) =>
      m.slice(1).map(Number),
    ) as [number, number, number, number][]
    for (const [k, [x, y, w, h]] of rects.entries()) {
      for (const [x2, y2, w2, h2] of rects.slice(k + 1)) {
        expect(x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y).toBe(true)
      }
    }
  })

  it('colours boxes by group, frozen ones not', () => {
    const groups = [...draw(block()).matchAll(/data-group="(\d*)"><rect [^>]*?(style="[^"]*")?\/>/g)]
    const paint = new Map(groups.map(([, group, style]) => [group, style]))
    expect([...paint.keys()].sort()).toEqual(['', '0', '1'])
    expect(paint.get('')).toBeUndefined()
    expect(paint.get('0')).not.toBe(paint.get('1'))
  })

  it('writes a page that loads nothing, with every group listed', () => {
    const page = draw(block(), { format: 'html', title: 'a & b' })
    expect(page).toContain('<title>a &amp; b</title>')
    expect(page.match(/<li><button data-group/g)).toHaveLength(2)
    expect(page).not.toMatch(/(src|href)="/)
  })

  it('writes Graphviz', () => {
    const dot = draw(block(), { format: 'dot' })
    expect(dot).toMatch(/^digraph "model" \{/)
    expect(dot).toContain('b1 [label="conv2d, batch_norm\\nstem bn\\n[2, 8, 4, 4]\\ngroup 0: 8 channels"')
    expect(dot.match(/ -> /g)).toHaveLength(7)
  })

  it('refuses another format', () => {
    expect(() => draw(block(), { format: 'png' as 'svg' })).toThrow(
      /draw: 'format' must be 'svg', 'html' or 'dot', not 'png'/,
    )
  })
})
