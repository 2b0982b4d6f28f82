import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { paced, pacedPart } from '../../lib/cli/pace.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const shown: [string, number | undefined][] = []
const work = { status: (text: string, part?: number) => void shown.push([text, part]) }
beforeEach(() => void shown.splice(0))

it('says how much is done, how fast, and how long it takes yet', () => {
  const show = paced(work, 'measured', { unit: 'examples', of: 40 })
  show(0)
  vi.advanceTimersByTime(2000)
  show(10)
  vi.advanceTimersByTime(98_000)
  show(20)
  expect(shown).toEqual([
    ['measured: 0 of 40 examples', 0],
    ['measured: 10 of 40 examples, 5 a second, 0:06 left', 0.25],
    ['measured: 20 of 40 examples, 0:05 each, 1:40 left', 0.5],
  ])
})

it('says the part alone where nothing is counted', () => {
  const show = pacedPart(work, 'timing')
  vi.advanceTimersByTime(3000)
  show(0.25)
  expect(shown).toEqual([['timing: 25 %, 0:09 left', 0.25]])
})

it('is silent about what is done soon, where that is wanted', () => {
  const show = paced(work, 'measured', { unit: 'examples', of: 4, patience: 1000 })
  vi.advanceTimersByTime(999)
  show(1)
  vi.advanceTimersByTime(1)
  show(2)
  expect(shown).toEqual([['measured: 2 of 4 examples, 2 a second, 0:01 left', 0.5]])
})
