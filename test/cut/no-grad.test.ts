import { define, prune, scope, Tensor } from 'espalier'
import { analyse } from 'espalier/analysis'
import { describe, expect, it } from 'vitest'
import { compensate, cutAndVerify, describePlan } from '../../lib/cut/index.js'
import { seeded, uniform } from '../support/networks.js'
import { expectClose, failure, numbers } from '../torch/support.js'

/** A parameter as a number of the program: LibTorch takes none that could have a gradient. */
const LINES: [title: string, line: string][] = [
  ['ScalarImplicit', 'y = torch.leaky_relu(y, self.slope)'],
  ['FloatImplicit', 'y = torch.dropout(y, self.slope, False)'],
]
const program = (line: string) => `def forward(self, x: Tensor) -> Tensor:
  y = torch.linear(x, self.a)
  ${line}
  return torch.linear(y, self.b)`
const parameters = (requiresGrad = false): Record<string, Tensor> => ({
  ...seeded({ a: [8, 6], b: [5, 8] }),
  slope: Tensor.from([0.25], [], { requiresGrad }),
})

/** Rows of a [8, 6] weight that are not kept, as zeros. */
const masked = (weight: Tensor, kept: readonly number[]) =>
  Tensor.from(
    (weight.data() as Float32Array).map((x, i) => (kept.includes(Math.floor(i / 6)) ? x : 0)),
    [8, 6],
  )

describe('a program that runs without gradients alone', () => {
  it.each(LINES)('is recorded, cut and verified: %s', async (_, line) => {
    await scope(async () => {
      const tensors = parameters()
      const x = uniform([2, 6])
      const model = await define(program(line), { parameters: tensors })
      const { small, plan, verification } = await prune(model, { inputs: [x], ratio: 0.5 })
      expect(plan.params).toEqual([8 * 6 + 5 * 8 + 1, 4 * 6 + 5 * 4 + 1])
      expect(verification.passes.length).toBeGreaterThan(1)
      const a = masked(tensors.a as Tensor, plan.keep.a![0]!)
      const reference = await define(program(line), { parameters: { ...tensors, a } })
      const run = async (m: typeof model) => (await m.forwardWith([x], { grad: false })) as Tensor
      expectClose(await run(small), numbers(await run(reference)), 1e-5)
    })
  })

  it('is compensated: its values are observed as they were recorded', async () => {
    await scope(async () => {
      const model = await define(program(LINES[0]![1]), { parameters: parameters() })
      const x = uniform([2, 6])
      const recording = await model.record([x])
      const analysis = analyse(recording.record)
      const plan = describePlan(analysis, Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0]))
      const { small } = await cutAndVerify(model, recording, analysis, plan, [x])
      async function* data() {
        yield [uniform([4, 6])]
      }
      const job = { model, small, recording, analysis, plan, inputs: [x], data: data() }
      const { compensations } = await compensate(job)
      expect(compensations.map(({ weight, into }) => ({ weight, into }))).toEqual([{ weight: 'b', into: 'new-bias' }])
    })
  })

  it('is not trained: LibTorch says why', async () => {
    await scope(async () => {
      const model = await define(program(LINES[0]![1]), { parameters: parameters(true) })
      const error = await failure(() => model.forwardWith([uniform([2, 6])], { grad: true }))
      expect(error.code).toBe('ERR_TORCH')
      expect(error.message).toMatch(/requires grad/)
    })
  })
})
