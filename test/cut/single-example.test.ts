import { prune, scope, Tensor } from 'espalier'
import { expect, it } from 'vitest'
import { network, uniform } from '../support/networks.js'
import { expectClose, numbers } from '../torch/support.js'

const NORM = 'None, None, None, None, True, 0.1, 1e-5, False'

it('a network that takes a batch or one example, cut on a batch, gives for one example what it gives for a batch of one', async () => {
  await scope(async () => {
    const model = await network(
      `def forward(self, x: Tensor) -> Tensor:
  y = torch.conv2d(x, self.a)
  if y.dim() == 3:
    z = torch.instance_norm(y.unsqueeze(0), ${NORM}).squeeze(0)
  else:
    z = torch.instance_norm(y, ${NORM})
  return torch.conv2d(torch.relu(z), self.b)`,
      { a: [8, 3, 1, 1], b: [5, 8, 1, 1] },
    )
    const data = Float32Array.from({ length: 48 }, (_, i) => Math.sin(i))
    const { small } = await prune(model, { inputs: [uniform([2, 3, 4, 4])], ratio: 0.5 })
    const batched = (await small.forward(Tensor.from(data, [1, 3, 4, 4]))) as Tensor
    expectClose((await small.forward(Tensor.from(data, [3, 4, 4]))) as Tensor, numbers(batched), 1e-6)
    expect(small.parameters().get('b')?.shape).toEqual([5, 4, 1, 1])
  })
})
