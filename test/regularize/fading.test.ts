import * as espalier from 'espalier'
import { adamw, type EspalierError, fading, greg1, lr, type RunEvent, type SparsifyOptions, sgd } from 'espalier'
import type { PhaseOptions } from 'espalier/analysis'
import { afterEach, describe, expect, it } from 'vitest'
import { job } from '../run/job.mjs'
import { attached, dispose, small } from './support.js'

afterEach(dispose)

type Sizes = Extract<RunEvent, { kind: 'regularizer' }>

/** 200 digits, 4 steps a pass unless told otherwise: sizes at the end of the phase, and the losses before and after the cut. */
async function faded(over: Partial<SparsifyOptions>) {
  let sizes: Sizes | undefined
  const warnings: string[] = []
  const { model, options } = await job(espalier, 'greg1', undefined, {
    ...{ regularizer: undefined, finetune: false, seed: 1 },
    ...over,
    onEvent: (event) => {
      if (event.kind === 'regularizer') sizes = event
    },
    onWarning: (text) => warnings.push(text),
  })
  const { small, evaluations, regularizer } = await espalier.sparsify(model, options)
  small.dispose()
  const ratios = sizes!.groups.flatMap(({ ratio }) => ratio ?? [])
  const held = sizes!.groups.flatMap(({ held = [] }) => held)
  return {
    ratios,
    held,
    warnings,
    regularizer,
    losses: [evaluations.regularized!.loss, evaluations.cut!.loss] as const,
  }
}

const phase = (optimizer: PhaseOptions['optimizer'], over: PhaseOptions = {}) => ({
  sparse: { epochs: 30, batchSize: 56, optimizer, ...over },
})

describe('fading, the regularizer of a run that names none', () => {
  it.each<[string, Partial<SparsifyOptions>]>([
    ['SGD with momentum', phase(sgd({ lr: 0.05, momentum: 0.9 }))],
    ['SGD without', phase(sgd({ lr: 0.05 }))],
    ['a tenth of the learning rate', phase(sgd({ lr: 0.005, momentum: 0.9 }))],
    ['AdamW', phase(adamw({ lr: 0.003 }))],
    ['AdamW with a tenth of the learning rate', phase(adamw({ lr: 0.0003 }))],
    ['a learning rate that falls', phase(adamw({ lr: 0.003 }), { schedule: lr.cosine() })],
    [
      'one that falls in steps',
      phase(sgd({ lr: 0.05, momentum: 0.9 }), { schedule: lr.step({ every: 10, gamma: 0.1 }) }),
    ],
    ['small batches', phase(adamw({ lr: 0.003 }), { batchSize: 16, epochs: 10 })],
    ['100 steps', phase(sgd({ lr: 0.05, momentum: 0.9 }), { epochs: 25 })],
  ])('leaves nothing to lose at the cut with %s', async (_, over) => {
    const { ratios, held, warnings, regularizer, losses } = await faded(over)
    expect(regularizer).toMatchObject({ name: 'fading', stage: 'stabilize' })
    expect(ratios.length).toBeGreaterThan(0)
    for (const ratio of ratios) expect(ratio).toBeGreaterThan(2000)
    expect([held, warnings]).toEqual([[], []])
    expect(Math.abs(losses[1] - losses[0])).toBeLessThan(1e-3)
  })

  it('leaves as much as it is asked to', async () => {
    const { ratios } = await faded({ ...phase(sgd({ lr: 0.05, momentum: 0.9 })), regularizer: fading({ rest: 0.01 }) })
    for (const ratio of ratios) expect(ratio).toBeGreaterThan(80)
    for (const ratio of ratios) expect(ratio).toBeLessThan(150)
  })

  it('refuses a phase that is too short, with the steps that it needs', async () => {
    const error = (await faded(phase(adamw(), { epochs: 3 })).catch((error) => error)) as EspalierError
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    const needed = Number(/the phase has 12 optimizer steps, fading needs (\d+) at least/.exec(error.message)?.[1])
    const { held } = await faded(phase(sgd({ lr: 0.05 }), { epochs: Math.ceil(needed / 4) }))
    expect(held).toEqual([])
  })

  it('needs the units that go, and the learning rate of each step', async () => {
    const { context } = small()
    await expect(fading().attach(context)).rejects.toThrow("fading needs the units to remove: pass 'removed'")
    const removed = [{ group: 0, units: [1] }]
    const regularizer = await attached(fading({ updateEvery: 1 }).attach({ ...context, removed }))
    await expect(regularizer.advance()).rejects.toThrow('fading needs the learning rate of each step')
  })

  it('halves at most what a weight has, in which one group meets', async () => {
    const { context } = small()
    const removed = [{ group: 0, units: [1] }]
    const regularizer = await attached(fading({ updateEvery: 1 }).attach({ ...context, removed }))
    for (let step = 0; step < 60; step++) await regularizer.advance({ lr: 0.1 })
    // The weights were not stepped: the control asks for all that it may have.
    expect(regularizer.state.reg).toEqual([[0, 5]])
  })

  it.each([{ rest: 0 }, { rest: 1 }, { fraction: 0 }, { fraction: 1.1 }, { updateEvery: 0 }])(
    'refuses %j',
    (options) => {
      expect(() => fading(options)).toThrow(/^fading: '(rest|fraction|updateEvery)' must be /)
    },
  )
})

describe('a regularizer that does not get there', () => {
  it('is told of before the cut', async () => {
    const { held, warnings } = await faded({
      ...phase(adamw({ lr: 1e-4 }), { epochs: 5 }),
      regularizer: greg1({ ceiling: 0.1, updateEvery: 1 }),
    })
    expect(held.length).toBeGreaterThan(0)
    expect(warnings.join()).toContain(`${held.length} of the units that go are still larger than 1 % of what stays`)
  })
})
