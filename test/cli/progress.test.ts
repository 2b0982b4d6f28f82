import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { showProgress } from '../../lib/cli/progress.js'

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

it('on a terminal one line is written over and cleared in the end', () => {
  const written = record(true, 3)
  expect(written.map(({ text }) => text)).toContain('second 3')
  expect(written.filter(({ text }) => text.includes('\n'))).toHaveLength(1)
  expect(written.at(-1)!.text).toMatch(/^\r +\r$/)
})
