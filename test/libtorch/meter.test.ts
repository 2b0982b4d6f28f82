import { expect, it } from 'vitest'
import { Meter } from '../../lib/libtorch/install/net/meter.js'

const MB = 1e6

it('says how much there is, how fast it comes and how long it takes', () => {
  const meter = new Meter()
  meter.at(0, 0)
  meter.at(10 * MB, 2000)
  expect(meter.text(60 * MB, 2000)).toBe('fetching: 10 of 60 MB, 5.0 MB/s, 10 s left')
  expect(meter.text(undefined, 2000)).toBe('fetching: 10 MB, 5.0 MB/s')
})
it('counts what was there before as there, not as fast', () => {
  const meter = new Meter()
  meter.at(100 * MB, 0)
  expect(meter.text(200 * MB, 0)).toBe('fetching: 100 of 200 MB')
  meter.at(101 * MB, 1000)
  expect(meter.text(200 * MB, 1000)).toBe('fetching: 101 of 200 MB, 1.0 MB/s, 2 min left')
})
it('forgets how fast it was more than ten seconds ago', () => {
  const meter = new Meter()
  meter.at(0, 0)
  for (let second = 1; second <= 30; second++) meter.at(100 * MB + second * MB, second * 1000)
  expect(meter.text(undefined, 30_000)).toBe('fetching: 130 MB, 1.0 MB/s')
})
it('gets slower while nothing comes', () => {
  const meter = new Meter()
  meter.at(0, 0)
  meter.at(10 * MB, 1000)
  expect(meter.text(undefined, 10_000)).toBe('fetching: 10 MB, 1.0 MB/s')
})
it('begins again with the file', () => {
  const meter = new Meter()
  meter.at(0, 0)
  meter.at(50 * MB, 1000)
  meter.at(0, 2000)
  meter.at(2 * MB, 3000)
  expect(meter.text(60 * MB, 3000)).toBe('fetching: 2 of 60 MB, 2.0 MB/s, 29 s left')
})
