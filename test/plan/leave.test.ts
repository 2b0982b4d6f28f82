import { load, Prunable, prune, Tensor } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataFile } from '../../examples/digits.js'
import { failure } from '../torch/support.js'

const inputs = [Tensor.zeros([1, 1, 8, 8])]

let prunable: Prunable
beforeAll(async () => {
  prunable = await Prunable.of(await load(dataFile('resnet8.script.pt')), { inputs })
})
afterAll(() => prunable.dispose())

/** Names of the tensors that shrink. */
async function shrunk(options: object): Promise<string[]> {
  return Object.keys(prunable.plan(await prunable.score(), { ratio: 0.5, ...options }).keep)
}

describe('parts that a plan leaves alone', () => {
  it.each([
    ['a parameter', ['layer2.0.conv1.weight']],
    ['a module', ['layer2.0.conv1']],
    ['a module with all in it', ['layer2']],
    ['modules by *', ['layer2.*.conv?']],
    ['modules by **', ['layer2**']],
    ['several', ['layer2.0.conv1', 'layer2.0.conv2']],
  ])('keep: %s stays exactly as it is', async (_, keep) => {
    expect(await shrunk({})).toContain('layer2.0.conv1.weight')
    const names = await shrunk({ keep })
    expect(names.length).toBeGreaterThan(0)
    expect(names).not.toContain('layer2.0.conv1.weight')
  })

  it('ignore: a module keeps what it gives, and may take less', async () => {
    const { keep } = prunable.plan(await prunable.score(), { ratio: 0.5, ignore: ['layer2.0.conv1'] })
    expect(keep['layer2.0.conv1.weight']).toEqual({ 1: expect.any(Array) })
    const whole = prunable.plan(await prunable.score(), { ratio: 0.5 }).keep['layer2.0.conv1.weight']!
    expect(Object.keys(whole)).toEqual(['0', '1'])
  })

  it('hold in a budget and in a ranking of all units, too', async () => {
    for (const options of [{ ratio: undefined, budget: { macs: 0.7 } }, { ranking: 'global' }]) {
      expect(await shrunk({ ...options, keep: ['layer2'] })).not.toContain('layer2.0.conv1.weight')
    }
    const error = await failure(() =>
      shrunk({ ratio: undefined, budget: { macs: 0.1 }, keep: ['layer1', 'layer2', 'layer3'] }),
    )
    expect(error.code).toBe('ERR_BUDGET')
  })

  it('are cut as any other plan', async () => {
    const { small } = await prune(await load(dataFile('resnet8.script.pt')), { inputs, keep: ['conv1', 'layer3.*'] })
    expect(small.parameters().get('conv1.weight')!.shape).toEqual([16, 1, 3, 3])
    expect(small.parameters().get('layer1.0.conv1.weight')!.shape[0]).toBeLessThan(16)
    small.dispose()
  })

  it.each([
    ['layer9', /'keep': nothing of the model is called 'layer9': did you mean 'layer\d'\?/],
    ['*', undefined],
    ['layer?.*.*.weight', undefined],
    ['*.*.*.*.*.*', /nothing of the model/],
    ['', /nothing of the model/],
    ['conv1.*.*', /nothing of the model/],
    ['LAYER1', /did you mean 'layer1'/],
    ['layer1.0.conv1.weight.', /nothing of the model/],
  ])('a name must be one: %j', async (name, words) => {
    if (words === undefined) {
      const { keep } = prunable.plan(await prunable.score(), { ratio: 0.5, keep: [name] })
      expect(Object.keys(keep)).toEqual([])
      return
    }
    const error = await failure(() => shrunk({ keep: [name] }))
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(words) })
  })

  it('a name of many stars is soon refused', async () => {
    const start = performance.now()
    const error = await failure(() => shrunk({ keep: [`${'*a'.repeat(2000)}!`] }))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(performance.now() - start).toBeLessThan(5000)
  })
})
