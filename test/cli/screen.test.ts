import { describe, expect, it, vi } from 'vitest'
import { LiveView } from '../../lib/cli/live-view.js'
import { clock } from '../../lib/cli/terminal/clock.js'
import { Screen } from '../../lib/cli/terminal/screen.js'
import { barline, sparkline } from '../../lib/cli/terminal/spark.js'
import type { RunEvent } from '../../lib/run/index.js'
import { Terminal } from '../support/terminal.js'

describe('a screen', () => {
  it('keeps lines, and draws the panel over below them', () => {
    const terminal = new Terminal(40)
    const screen = new Screen(terminal)
    for (const count of [1, 2, 3]) {
      screen.say(`line ${count}`)
      screen.show(() => Array.from({ length: 4 - count }, (_, k) => `panel ${count}.${k}`))
    }
    expect(terminal.text).toBe('line 1\nline 2\nline 3\npanel 3.0')
    screen.end()
    expect(terminal.text).toBe('line 1\nline 2\nline 3')
    expect([terminal.isAtRest, terminal.unknown, terminal.listeners]).toEqual([true, [], 0])
  })

  it.each([
    [100, 20],
    [100, 1],
    [20, 100],
    [64, 63],
  ])('is whole after a change from %i to %i columns', (before, after) => {
    const terminal = new Terminal(before)
    const screen = new Screen(terminal)
    screen.say('first')
    screen.show((columns) => ['x'.repeat(columns), `${columns} columns`, '─'.repeat(300)])
    terminal.resize(after)
    const lines = terminal.text.split('\n')
    expect([lines.length, lines[0]]).toEqual([4, 'first'])
    expect(Math.max(...lines.slice(1).map((line) => [...line].length))).toBeLessThanOrEqual(after)
    screen.say('second')
    screen.end()
    expect(terminal.text).toBe('first\nsecond')
  })

  it('takes a usual size where the terminal reports none', () => {
    const written: string[] = []
    const screen = new Screen({ isTTY: true, columns: 0, rows: 0, write: (text) => written.push(text) })
    for (let k = 0; k < 2; k++) screen.show((columns) => [`${columns}`, '-'])
    expect(written).toEqual(['79\n-\n', '\u001b[2A\r\u001b[J79\n-\n'])
  })

  it('draws no more lines than there are rows', () => {
    const terminal = new Terminal(40)
    terminal.rows = 6
    new Screen(terminal).show(() => Array.from({ length: 50 }, (_, k) => `${k}`))
    expect(terminal.text.split('\n')).toHaveLength(4)
  })

  it.each([
    [true, '\u001b[1mword\u001b[22m\n'],
    [false, 'word\n'],
  ])('has styles where the stream has colours: %s', (colours, expected) => {
    const terminal = Object.assign(new Terminal(40), { hasColors: () => colours })
    new Screen(terminal).show((_, { strong }) => [strong('word')])
    expect(terminal.written).toBe(expected)
  })
})

describe('pictures in a line', () => {
  it.each([
    [[0, 1, 2, 3, 4, 5, 6, 7], 8, '▁▂▃▄▅▆▇█'],
    [[7, 0], 8, '█▁'],
    // Means of two.
    [[0, 0, 7, 7], 2, '▁█'],
    [[1, 1, 1], 8, '▄▄▄'],
    [[Number.NaN, 1, Number.POSITIVE_INFINITY, 2], 8, '▁█'],
    [[], 8, ''],
    [[1, 2, 3], 0, '▄'],
  ])('a curve of %j in %i characters', (values, width, expected) => {
    expect(sparkline(values, width)).toBe(expected)
  })

  it('two curves share a scale', () => {
    expect([sparkline([7, 7], 8, [0, 7]), sparkline([7, 0], 8, [0, 7])]).toEqual(['██', '█▁'])
  })

  it.each([
    [0, '────'],
    [0.5, '━━──'],
    [0.625, '━━╸─'],
    [1, '━━━━'],
    [7, '━━━━'],
    [-1, '────'],
  ])('a bar of %f', (part, expected) => {
    expect(barline(part, 4)).toBe(expected)
  })

  it.each([
    [0, '0:00'],
    [9.4, '0:09'],
    [3723, '1:02:03'],
  ])('%f seconds on a clock', (seconds, expected) => {
    expect(clock(seconds)).toBe(expected)
  })
})

describe('the view of a training', () => {
  const plain = { strong: (text: string) => text, soft: (text: string) => text, accent: (text: string) => text }
  const view = new LiveView()
  const batch = (iteration: number, loss: number) =>
    ({ kind: 'batch', phase: 'sparse', epoch: 2, epochs: 4, iteration, iterations: 100, loss, lr: 0.1 }) as RunEvent
  const epoch = { kind: 'epoch', phase: 'sparse', epoch: 1, epochs: 4, loss: 1, validation: { loss: 1, accuracy: 0.5 } }
  const group = { group: 0, reg: [0, 0, 0, 0, 3], kept: 2, chosen: 0.02 }
  const plan = { kind: 'plan', plan: { removed: [], params: [10, 5], macs: [200, 100] } }
  for (const event of [plan, batch(1, 2), epoch, { kind: 'regularizer', groups: [group] }, batch(50, 1)]) {
    view.take(event as RunEvent)
  }

  it('has where it is, and what became of it', () => {
    const lines = view.panel(100, plain)
    expect(lines[1]).toMatch(/^regularized {2}━+╸?─+ {2}epoch 2\/4 {3}\d+:\d\d left {3}\S+ steps\/s$/)
    expect(lines.slice(2).map((line) => line.split(/ {2,}/))).toEqual([
      ['loss', '1.000', '█▁'],
      ['accuracy', '50.00 %', '▄'],
      ['penalty', '3 at most', '▄'],
      ['stay', 'size 2', '█'],
      ['go', 'size 0.02', '▁'],
      ['MACs', '200 -> 100 (50.0 %)'],
    ])
  })

  it('leaves out what is done with after the cut', () => {
    const tuned = new LiveView()
    for (const event of [
      { kind: 'regularizer', groups: [group] },
      { ...batch(1, 2), phase: 'finetune' },
    ]) {
      tuned.take(event as RunEvent)
    }
    expect(tuned.panel(100, plain).slice(2)).toEqual([expect.stringMatching(/^loss +2\.000 +▄$/)])
  })

  it('counts the rate and the time left from the start of a round', () => {
    vi.useFakeTimers()
    try {
      const rounds = new LiveView()
      for (const [seconds, iteration] of [
        [0, 1],
        [1000, 100],
        [500, 1],
        [1, 11],
      ] as const) {
        vi.advanceTimersByTime(1000 * seconds)
        rounds.take(batch(iteration, 1))
      }
      // 89 steps are left.
      expect(rounds.text).toMatch(/, 10\.0 steps a second, 0:09 left$/)
    } finally {
      vi.useRealTimers()
    }
  })

  it('says the same in a line', () => {
    expect(view.text).toMatch(/^regularized 2\/4, step 50 of 100, loss 1\.000, \S+ steps a second, \d+:\d\d left$/)
  })

  it.each([1, 10, 30, 60, 200])('can be drawn in %i columns', (columns) => {
    expect(view.panel(columns, plain)).toHaveLength(8)
  })
})
