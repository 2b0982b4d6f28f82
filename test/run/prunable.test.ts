import { groupL2, load, Prunable, prune, Tensor } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const FILE = new URL('../../examples/data/resnet8.script.pt', import.meta.url).pathname

describe('a recorded model', () => {
  let model: Prunable
  const inputs = [Tensor.zeros([1, 1, 8, 8])]

  beforeAll(async () => {
    using given = await load(FILE)
    model = await Prunable.of(given, { inputs })
  })
  afterAll(() => model.dispose())

  it('is a copy: the model given may be disposed', () => {
    expect(model.model.training).toBe(false)
    expect(model.analysis.groups.length).toBeGreaterThan(0)
    expect(model.record).toBe(model.analysis.record)
  })

  it('is cut as prune() cuts it', async () => {
    using given = await load(FILE)
    const options = { budget: { macs: 0.5 } } as const
    const whole = await prune(given, { inputs, ...options })
    const { small, plan, verification } = await model.cut(model.plan(await model.score(groupL2()), options))
    expect(plan).toEqual(whole.plan)
    expect(verification.passes.length).toBe(whole.verification.passes.length)
    expect([...small.parameters()].map(([name, { shape }]) => [name, shape])).toEqual(
      [...whole.small.parameters()].map(([name, { shape }]) => [name, shape]),
    )
    small.dispose()
    whole.small.dispose()
  })

  it('may be cut several times, each time as it was', async () => {
    const { size, id } = model.analysis.groups[0] as { size: number; id: number }
    const cuts = [[0], [size - 1]].map((units) => model.planWithout([{ group: id, units }]))
    for (const plan of cuts) {
      const { small } = await model.cut(plan)
      small.dispose()
      expect(plan.params).toEqual([model.count().params, model.count(plan.removed).params])
    }
  })

  it('explains and draws what it found', () => {
    expect(model.explain({ group: 0 })[0]?.text).toContain('group 0')
    expect(model.draw({ format: 'dot' })).toMatch(/^digraph/)
  })
})
