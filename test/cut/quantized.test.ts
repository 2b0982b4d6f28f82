import { define, prune, scope, Tensor } from 'espalier'
import { describe, expect, it } from 'vitest'
import { integers, seeded, uniform } from '../support/networks.js'
import { expectClose, numbers } from '../torch/support.js'

const PROGRAM = `def forward(self, x: Tensor) -> Tensor:
  w = torch.fake_quantize_per_channel_affine(self.a, self.scale, self.zero.to(3), 0, -128, 127)
  y = torch.relu(torch.linear(x, w, self.bias))
  y = torch.fake_quantize_per_tensor_affine(y, 0.02, 3, 0, 255)
  return torch.linear(y, torch.fake_quantize_per_tensor_affine(self.b, 0.01, 0, -128, 127))`
const SCALES = [0.01, 0.02, 0.01, 0.03, 0.02, 0.01, 0.02, 0.03]

describe('a quantization-aware network', () => {
  it('is compared in float64: a rounding that tips over is no difference of the cut', async () => {
    await scope(async () => {
      const parameters = seeded({ a: [8, 6], bias: [8], b: [5, 8] })
      const buffers = { scale: Tensor.from(SCALES, [8]), zero: integers([0, 1, 2, 3, 0, 1, 2, 3]) }
      const x = uniform([2, 6])
      const model = await define(PROGRAM, { parameters, buffers })
      const { small, plan, verification } = await prune(model, { inputs: [x], ratio: 0.5 })
      expect(new Set(verification.passes.map(({ dtype }) => dtype))).toEqual(new Set(['float64']))
      const kept = plan.keep.a![0]!
      expect(kept).toHaveLength(4)
      const rows = (name: 'a' | 'bias', width: number) =>
        Float32Array.from(numbers(parameters[name] as Tensor), (v, i) => (kept.includes(Math.floor(i / width)) ? v : 0))
      const masked = { ...parameters, a: Tensor.from(rows('a', 6), [8, 6]), bias: Tensor.from(rows('bias', 1), [8]) }
      const reference = await define(PROGRAM, { parameters: masked, buffers })
      expectClose((await small.forward(x)) as Tensor, numbers((await reference.forward(x)) as Tensor), 1e-5)
      expectClose(
        small.buffers().get('scale') as Tensor,
        kept.map((k) => SCALES[k]!),
        1e-7,
      )
      expect(numbers(small.buffers().get('zero') as Tensor)).toEqual(kept.map((k) => k % 4))
    })
  })
})
