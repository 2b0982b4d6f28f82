import { adamw, greg1, greg2, growing, type OptimizerFactory, type RegularizerFactory, sgd, Tensor } from 'espalier'
import { afterEach, describe, expect, it } from 'vitest'
import { attached, dispose, small } from './support.js'

afterEach(dispose)

const removed = [{ group: 0, units: [0] }]

/** What the penalty alone leaves of the unit that goes, and of the other: parts of what they were. */
async function left(regularizer: RegularizerFactory, optimizer: OptimizerFactory, iterations: number) {
  const { parameters, context } = small()
  const warnings: string[] = []
  const made = await attached(
    regularizer.attach({
      ...{ ...context, iterations, stepping: optimizer.stepping(optimizer.lr), removed },
      ...{ pick: async () => removed, onWarning: (text: string) => warnings.push(text) },
    }),
  )
  const bound = optimizer.bind(parameters)
  for (let step = 0; step < iterations; step++) {
    for (const parameter of parameters.values()) parameter.grad = Tensor.zeros(parameter.shape)
    await bound.step(made.term)
    await made.advance({ lr: optimizer.lr })
  }
  bound.dispose()
  const rows = parameters.get('a.weight')!.data() as Float32Array
  return { gone: rows[0]! / 1, kept: rows[2]! / 3, warnings }
}

describe('strength', () => {
  const optimizers: [string, OptimizerFactory, number][] = [
    ['SGD, 1000 steps', sgd({ lr: 0.01 }), 1000],
    ['SGD, a tenth of the learning rate', sgd({ lr: 0.001 }), 1000],
    ['SGD with momentum, 1000 steps', sgd({ lr: 0.01, momentum: 0.9 }), 1000],
    ['AdamW, 300 steps', adamw({ lr: 1e-3, weightDecay: 0 }), 300],
    ['AdamW, 10 times the learning rate', adamw({ lr: 1e-2, weightDecay: 0 }), 300],
  ]
  const presets: [string, RegularizerFactory][] = [
    ['greg1', greg1({ strength: 3, updateEvery: 5 })],
    ['greg2', greg2({ strength: 3, updateEvery: 5 })],
    ['growing', growing({ strength: 3, updateEvery: 5 })],
    ["growing, target: 'plan'", growing({ strength: 3, updateEvery: 5, target: 'plan' })],
  ]
  it.each(
    presets.flatMap(([preset, regularizer]) => optimizers.map((each) => [preset, ...each, regularizer] as const)),
  )('of 3 leaves a thousandth: %s with %s', async (_preset, _optimizer, optimizer, iterations, regularizer) => {
    const { gone, kept, warnings } = await left(regularizer, optimizer, iterations)
    expect(warnings).toEqual([])
    expect(Math.log10(Math.abs(gone))).toBeLessThan(-2.7)
    expect(Math.log10(Math.abs(gone))).toBeGreaterThan(-3.6)
    expect(kept).toBeGreaterThan(0.9)
  })

  it('goes no further than what is stable, and says how far', async () => {
    const { gone, warnings } = await left(greg1({ strength: 6, updateEvery: 1 }), adamw({ lr: 0.1 }), 10)
    expect(warnings).toEqual([
      expect.stringMatching(/too short for a strength of 6: it reaches [\d.]+, which is stable/),
    ])
    expect(Math.abs(gone)).toBeLessThan(1)
  })

  it('is instead of a penalty, and needs to know how the optimizer steps', async () => {
    expect(() => greg1({ strength: 3, ceiling: 1 })).toThrow("greg1: 'strength' and 'ceiling' exclude each other")
    expect(() => growing({ strength: 3, deltaReg: 1 })).toThrow("growing: 'strength' and 'deltaReg' exclude each other")
    expect(() => greg2({ strength: 3, pickCeiling: 1 })).toThrow("'strength' and 'pickCeiling' exclude each other")
    const { context } = small()
    await expect(greg1({ strength: 3 }).attach({ ...context, removed })).rejects.toThrow("'strength' needs 'stepping'")
  })
})
