import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { showProgress } from '../../lib/cli/progress.js'
import { Terminal } from '../support/terminal.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Reports a status each second for a while, as the installer does, and returns what was written when. */
function record(isTTY: boolean, seconds: number) {
  const written: { at: number; text: string }[] = []
  const start = Date.now()
  const output = { isTTY, write: (text: string) => written.push({ at: (Date.now() - start) / 1000, text }) }
  const progress = showProgress(output)
  progress.say('begin')
  for (let second = 1; second <= seconds; second++) {
    vi.advanceTimersByTime(1000)
    progress.status(`second ${second}`)
  }
  progress.end()
  return written
}

it('without a terminal a line comes at least every 5 s, and not every second', () => {
  const written = record(false, 60)
  const gaps = written.slice(1).map(({ at }, i) => at - written[i]!.at)
  expect(Math.max(...gaps)).toBeLessThanOrEqual(5)
  expect(written.length).toBeLessThan(30)
  expect(written.every(({ text }) => text.endsWith('\n') && !text.includes('\r'))).toBe(true)
})

it('on a terminal one line is drawn over and cleared in the end', () => {
  const terminal = new Terminal(40)
  const progress = showProgress(terminal)
  progress.say('begin')
  for (const second of [1, 2, 3]) {
    vi.advanceTimersByTime(1000)
    progress.status(`second ${second}`, second / 4)
    expect(terminal.text).toMatch(new RegExp(`^begin\n━+╸?─+ {2}second ${second}$`))
  }
  progress.end()
  expect([terminal.text, terminal.isAtRest, terminal.unknown]).toEqual(['begin', true, []])
})

it('on a terminal a clock runs while work says nothing', () => {
  const terminal = new Terminal(40)
  const progress = showProgress(terminal)
  progress.say('Cutting …')
  vi.advanceTimersByTime(62_000)
  expect(terminal.text).toBe('Cutting …\n  1:02')
  progress.say('Done')
  vi.advanceTimersByTime(5000)
  progress.end()
  expect(terminal.text).toBe('Cutting …\nDone')
})

it('on a terminal a clock runs below a bar that does not move', () => {
  const terminal = new Terminal(40)
  const progress = showProgress(terminal)
  vi.advanceTimersByTime(1000)
  progress.status('half of it', 0.5)
  vi.advanceTimersByTime(5000)
  expect(terminal.text).toMatch(/^━+╸?─+ {2}half of it\n {2}0:05$/)
  vi.advanceTimersByTime(100)
  progress.status('all of it', 1)
  expect(terminal.text).toMatch(/^━+ {2}all of it$/)
  progress.end()
  expect([terminal.text, terminal.isAtRest]).toEqual(['', true])
})

it('draws nothing over on a terminal that can not', () => {
  vi.stubEnv('TERM', 'dumb')
  const terminal = new Terminal(40)
  showProgress(terminal).say('begin')
  vi.unstubAllEnvs()
  expect([terminal.written, terminal.listeners]).toEqual(['begin\n', 0])
})
