import { load, type Plan, prune, type ScriptModule, sgd, Tensor } from 'espalier'
import { mseLoss } from 'espalier/torch'
import { describe, expect, it } from 'vitest'
import { expectClose, model, numbers } from '../torch/support.js'

const tokens = (batch: number) =>
  Tensor.from(
    Float32Array.from({ length: batch * 5 * 8 }, (_, i) => Math.sin(1.7 * i)),
    [batch, 5, 8],
  )

/** Kinds of the groups of which units went. */
const cutKinds = (plan: Plan, groups: readonly { id: number; kind: string }[]) =>
  [...new Set(plan.removed.map(({ group }) => groups[group]!.kind))].sort()

async function halved(network: ScriptModule, inputs: readonly Tensor[]) {
  return prune(network, { inputs, ratio: () => 0.5 })
}

// A trace taken without gradients holds the fused operators themselves.
describe.each(['script', 'trace'])('attention that hides its weights in one operator, in a %s', (form) => {
  const file = model(`encoder.${form}.pt`)

  it('is taken apart: heads, head dimensions, channels', async () => {
    const network = (await load(file)).eval()
    const { small, plan, analysis } = await halved(network, [tokens(2)])
    // The residual stream is the model's input; biases and norms on it stay.
    expect(analysis.coverage).toBeCloseTo(0.905, 3)
    expect(cutKinds(plan, analysis.groups)).toEqual(['channels', 'head-dims', 'heads'])
    expect(plan.params[1]).toBeLessThan(0.4 * plan.params[0])
    expect(small.parameters().get('attention.in_proj_weight')!.shape).toEqual([6, 8])
    small.dispose()
  })

  it.each([1, 2, 3])(
    'computes the same in eval and train mode, with gradients and without, batch %i',
    async (batch) => {
      const network = (await load(model('encoder.script.pt'))).eval()
      const { small } = await halved(network, [tokens(2)])
      const x = tokens(batch)
      const outputs: Tensor[] = []
      for (const training of [false, true]) {
        small.train(training)
        for (const grad of [false, true]) outputs.push((await small.forwardWith([x], { grad })) as Tensor)
      }
      expect(outputs[0]!.shape).toEqual([batch, 3])
      for (const other of outputs.slice(1)) expectClose(other, numbers(outputs[0]!), 1e-6)
    },
  )

  it('computes what the original computes when nothing is cut', async () => {
    const network = (await load(file)).eval()
    const x = tokens(3)
    const recording = await network.record([tokens(2)])
    const open = await network.cut(recording, {})
    const fused = (await network.forwardWith([x], { grad: false })) as Tensor
    expectClose((await open.forwardWith([x], { grad: true })) as Tensor, numbers(fused), 1e-5)
  })

  it('can be trained after the cut, and recorded and pruned again', async () => {
    const network = (await load(file)).eval()
    const x = tokens(4)
    const { small, plan } = await prune(network, { inputs: [x], ratio: 0.5 })
    const target = Tensor.zeros([4, 3])
    const optimizer = sgd({ lr: 0.05 }).bind(small.parameters())
    const losses: number[] = []
    small.train()
    for (let step = 0; step < 40; step++) {
      const loss = await mseLoss((await small.forward(x)) as Tensor, target)
      losses.push(Number(loss.item()))
      await loss.backward()
      await optimizer.step()
      optimizer.zeroGrad()
    }
    expect(losses.at(-1)!).toBeLessThan(0.3 * losses[0]!)
    const again = await prune(small.eval(), { inputs: [x], ratio: 0.5 })
    expect(again.plan.params[0]).toBe(plan.params[1])
    expect(again.plan.params[1]).toBeLessThan(0.8 * plan.params[1])
  })
})

describe('tensors that a module keeps in a dict and in a tuple', () => {
  it('are cut with the parameters whose width they have', async () => {
    const network = (await load(model('cached.script.pt'))).eval()
    const x = Tensor.from(
      Float32Array.from({ length: 12 }, (_, i) => Math.cos(i)),
      [3, 4],
    )
    const { small, plan, verification } = await prune(network, { inputs: [x], ratio: 0.5 })
    expect(plan.keep).toMatchObject({
      'first.weight': { 0: expect.any(Array) },
      'last.weight': { 1: expect.any(Array) },
    })
    expect(small.parameters().get('last.weight')!.shape).toEqual([3, 3])
    expect(verification.passes.every(({ error }) => error < 1e-9)).toBe(true)
    expect(((await small.forward(x)) as Tensor).shape).toEqual([3, 3])
  })
})
