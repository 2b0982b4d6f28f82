import { describe, expect, it } from 'vitest'
import { analyse } from '../../lib/groups/analyse.js'
import { unitCount } from '../../lib/groups/widths.js'
import { countBytes } from '../../lib/measure/bytes.js'
import { peakMemory } from '../../lib/measure/memory.js'
import { RecordBuilder } from '../support/build.js'

const FLOAT = 4

describe('peak memory', () => {
  it('of a chain is the input, and what an operator reads and gives', () => {
    const b = new RecordBuilder()
    const y = b.linear('c', b.linear('b', b.linear('a', b.input(1, 3), 10), 40), 2)
    // Input, then 10 + 40 at once; what went before is let go of.
    expect(peakMemory(analyse(b.record(y)))).toBe(FLOAT * (3 + 10 + 40))
  })

  it('holds a value until the last operator that reads it', () => {
    const b = new RecordBuilder()
    const x = b.linear('a', b.input(1, 3), 10)
    const y = b.binary('add', b.linear('c', b.linear('b', x, 40), 10), x)
    expect(peakMemory(analyse(b.record(y)))).toBe(FLOAT * (3 + 10 + 40 + 10))
  })

  it('counts a view as what it is a view of, which it keeps', () => {
    const b = new RecordBuilder()
    const x = b.conv('a', b.input(1, 3, 2, 2), 5)
    const flat = b.flatten(x)
    const y = b.linear('b', flat, 100)
    expect(peakMemory(analyse(b.record(y)))).toBe(FLOAT * (12 + 20 + 100))
  })

  it('counts an input, an output and a parameter that is an output once, and to the end', () => {
    const b = new RecordBuilder()
    const x = b.input(1, 3)
    const first = b.linear('a', x, 10)
    const y = b.linear('b', first, 2)
    expect(peakMemory(analyse(b.record(first, y)))).toBe(FLOAT * (3 + 10 + 2))
    const same = new RecordBuilder()
    expect(peakMemory(analyse(same.record(same.input(1, 3))))).toBe(FLOAT * 3)
  })

  it('falls with the units that are gone', () => {
    const b = new RecordBuilder()
    const analysis = analyse(b.record(b.linear('c', b.linear('b', b.linear('a', b.input(1, 3), 10), 40), 2)))
    const removed = new Uint8Array(unitCount(analysis))
    // 4 of the 10 units, 30 of the 40.
    removed.fill(1, 0, 4)
    removed.fill(1, 10, 40)
    expect(peakMemory(analysis, removed)).toBe(FLOAT * (3 + 6 + 10))
  })
})

describe('bytes of weights', () => {
  it('are those of parameters and buffers', () => {
    const b = new RecordBuilder()
    const y = b.conv('head', b.norm('bn', b.conv('a', b.input(1, 3, 4, 4), 8)), 2)
    const analysis = analyse(b.record(y))
    expect(countBytes(analysis)).toBe(FLOAT * (8 * 3 + 4 * 8 + 2 * 8))
    const removed = new Uint8Array(unitCount(analysis)).fill(1, 0, 3)
    expect(countBytes(analysis, removed)).toBe(FLOAT * (5 * 3 + 4 * 5 + 2 * 5))
  })
})
