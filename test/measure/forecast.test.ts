import { describe, expect, it } from 'vitest'
import { analyse } from '../../lib/groups/analyse.js'
import type { Analysis, OpRecord } from '../../lib/groups/index.js'
import { Forecast, keyOf, type Timings } from '../../lib/measure/forecast.js'
import { byKey } from '../../lib/measure/operators.js'
import { RecordBuilder } from '../support/build.js'

/** Two layers, of 32 units between them. */
function record(): OpRecord {
  const b = new RecordBuilder()
  return b.record(b.linear('b', b.linear('a', b.input(1, 3), 32), 8))
}

const without = (count: number) => new Uint8Array(32).fill(1, 0, count)
const gone = (count: number) => [{ group: 0, units: Array.from({ length: count }, (_, unit) => unit) }]
const first = (width: number) => `aten::linear(float32[1,3],float32[${width},3],float32[${width}],float32[1,${width}])`
const second = (width: number) => `aten::linear(float32[1,${width}],float32[8,${width}],float32[8],float32[1,8])`

/** What was measured at widths of 32, 16 and 8. */
const EVEN: Timings = {
  whole: 8,
  operators: {
    ...{ [first(32)]: 1, [first(16)]: 0.6, [first(8)]: 0.4 },
    ...{ [second(32)]: 3, [second(16)]: 2, [second(8)]: 1.5 },
  },
  samples: [[], gone(16), gone(24)],
  scale: 2,
}

describe('a forecast', () => {
  const analysis: Analysis = analyse(record())

  it('knows an operator by its name and the shapes of what it reads and gives', () => {
    const { record: own } = analysis
    const keys = own.ops.map((op) => keyOf(own, op, (id) => (own.values[id] as unknown as { shape: number[] }).shape))
    expect(keys).toEqual([first(32), second(32)])
  })

  it('is the scaled sum of what was measured', () => {
    const forecast = new Forecast(analysis, EVEN)
    expect(forecast.of(without(0))).toBeCloseTo(2 * (1 + 3), 12)
    expect(forecast.of(without(16))).toBeCloseTo(2 * (0.6 + 2), 12)
  })

  it('lies on the line between measured widths, and below the least on that to nothing', () => {
    const forecast = new Forecast(analysis, EVEN)
    expect(forecast.of(without(8))).toBeCloseTo(2 * (0.8 + 2.5), 12)
    expect(forecast.of(without(28))).toBeCloseTo(2 * (0.2 + 0.75), 12)
  })

  it('sees that widths which are no multiple of 8 are slower, where some were measured', () => {
    const operators = {
      ...EVEN.operators,
      ...{ [first(23)]: 3, [first(11)]: 1.5, [second(23)]: 6, [second(11)]: 3 },
    }
    const forecast = new Forecast(analysis, { ...EVEN, operators, samples: [...EVEN.samples, gone(9), gone(21)] })
    // Of 24 as of its even neighbours, of 17 half-way between its odd ones.
    expect(forecast.of(without(8))).toBeCloseTo(2 * (0.8 + 2.5), 12)
    expect(forecast.of(without(15))).toBeCloseTo(2 * (2.25 + 4.5), 12)
  })

  it('takes what was measured of a width before any line', () => {
    const operators = { ...EVEN.operators, [first(24)]: 5 }
    expect(new Forecast(analysis, { ...EVEN, operators }).of(without(8))).toBeCloseTo(2 * (5 + 2.5), 12)
  })
})

it('times of nodes are those of operators: the least of the rounds, shared by all runs of a node', () => {
  const own = record()
  const rounds = [Float64Array.of(2, 4), Float64Array.of(1, 5)]
  expect(byKey(own, rounds)).toEqual({ [first(32)]: 1, [second(32)]: 4 })
  const looped = { ...own, ops: [...own.ops, own.ops[1]!] }
  expect(byKey(looped, rounds)).toEqual({ [first(32)]: 1, [second(32)]: 2 })
})
