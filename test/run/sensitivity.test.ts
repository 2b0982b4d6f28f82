import {
  type Dataset,
  evaluate,
  inMemory,
  load,
  Prunable,
  prune,
  type SensitivityPoint,
  sensitivity,
  Tensor,
} from 'espalier'
import { ratiosWithin } from 'espalier/analysis'
import { beforeAll, describe, expect, it } from 'vitest'
import { dataFile, digits } from '../../examples/digits.js'
import { failure } from '../torch/support.js'

const inputs = [Tensor.zeros([1, 1, 8, 8])]
const file = dataFile('resnet8.script.pt')

let validation: Dataset
let unlabelled: Dataset
beforeAll(async () => {
  validation = digits().validation
  const all = await validation.batch(Int32Array.from({ length: validation.size }, (_, k) => k))
  unlabelled = inMemory(all.inputs)
})

describe('sensitivity', () => {
  it('is what is lost when a part of one group alone is gone', async () => {
    const model = await load(file)
    const bytes = await model.toBuffer()
    const seen: [SensitivityPoint, number][] = []
    const options = { inputs, data: validation, ratios: [0.75, 0.25], groups: [2, 0] }
    const { analysis, before, points } = await sensitivity(model, {
      ...options,
      onPoint: (point, of) => seen.push([point, of]),
    })
    expect(points.map(({ group, ratio }) => [group, ratio])).toEqual([
      [2, 0.25],
      [2, 0.75],
      [0, 0.25],
      [0, 0.75],
    ])
    expect(seen).toEqual(points.map((point) => [point, 4]))
    expect(before).toEqual(await evaluate(model, validation))
    for (const { group, ratio, units, drop, evaluation } of points) {
      expect(units).toBe(Math.floor(ratio * analysis.groups[group]!.size))
      expect(drop).toBeCloseTo(before.accuracy! - evaluation.accuracy!, 12)
    }
    // By hand: the cut that prune makes of this group alone.
    const { small } = await prune(model, { inputs, ratio: ({ id }) => (id === 2 ? 0.75 : 0), minKeep: 0.01 })
    expect((await evaluate(small, validation)).accuracy).toBe(points[1]!.evaluation.accuracy)
    expect(Buffer.from(await model.toBuffer()).equals(Buffer.from(bytes))).toBe(true)
  })

  it('asks the model as it is, where nobody says what is right', async () => {
    const { before, points } = await sensitivity(await load(file), {
      ...{ inputs, data: unlabelled, groups: [0], ratios: [0.9] },
      loss: 'cross-entropy',
    })
    expect(before.agreement).toBe(1)
    expect(points[0]!.drop).toBeCloseTo(1 - points[0]!.evaluation.agreement!, 12)
    expect(points[0]!.drop).toBeGreaterThan(0.1)
  })

  it('does not measure again what is known', async () => {
    const model = await load(file)
    const options = { inputs, data: validation, groups: [0], ratios: [0.25, 0.5] }
    const first = await sensitivity(model, options)
    const made = { ...first.points[0]!, drop: 42 }
    const measured: [ratio: number, of: number][] = []
    const onPoint = ({ ratio }: SensitivityPoint, of: number) => measured.push([ratio, of])
    const again = await sensitivity(model, { ...options, known: [made], onPoint })
    expect(measured).toEqual([[0.5, 1]])
    expect(again.points).toEqual([made, first.points[1]])
  })

  it('gives ratios that prune takes', async () => {
    const point = (group: number, ratio: number, drop: number) => ({
      group,
      ratio,
      drop,
      units: 1,
      evaluation: { loss: 0 },
    })
    const points = [
      point(0, 0.25, 0),
      point(0, 0.5, 0.02),
      point(0, 0.75, 0),
      point(1, 0.25, 0.5),
      point(2, 0.25, 0.01),
    ]
    const model = await load(file)
    const { analysis } = await Prunable.of(model, { inputs })
    const ratio = ratiosWithin({ analysis, before: { loss: 0 }, points }, 0.01)
    expect(analysis.groups.slice(0, 4).map(ratio)).toEqual([0.25, 0, 0.25, 0])
    const { plan } = await prune(model, { inputs, ratio })
    expect(plan.removed.map(({ group }) => group)).toEqual([0, 2])
  })

  it.each([
    [{ ratios: [1] }, /ratios/],
    [{ ratios: [0] }, /ratios/],
    [{ groups: [999] }, /there is no group 999/],
    [{ groups: [-1] }, /groups/],
  ])('refuses %j', async (options, words) => {
    const model = await load(file)
    const error = await failure(() => sensitivity(model, { inputs, data: validation, ...options }))
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(words) })
  })

  it('ends when asked', async () => {
    const controller = new AbortController()
    const model = await load(file)
    const options = { inputs, data: validation, signal: controller.signal, onPoint: () => controller.abort() }
    expect((await failure(() => sensitivity(model, options))).code).toBe('ERR_ABORTED')
  })
})
