import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load, prune, type ScriptModule, scope, type Tensor } from 'espalier'
import { afterAll, expect, it } from 'vitest'
import { network, uniform } from '../support/networks.js'

const folder = mkdtempSync(join(tmpdir(), 'espalier-closed-'))
afterAll(() => rmSync(folder, { recursive: true }))

const SOURCE = `def forward(self, x: Tensor) -> Tensor:
  h = torch.relu(torch.linear(x, self.i))
  if x.dim() == 2:
    h = torch.stack([h, h])
  return torch.linear(h, self.o)`

it('a branch that only another kind of input takes raises in the cut model, and in its file', async () => {
  await scope(async () => {
    const model = await network(SOURCE, { i: [8, 6], o: [3, 8] })
    const { small } = await prune(model, { inputs: [uniform([2, 5, 6])], ratio: 0.5 })
    const path = join(folder, 'small.pt')
    await small.save(path)
    for (const cut of [small, (await load(path)) as ScriptModule]) {
      expect(((await cut.forward(uniform([4, 7, 6]))) as Tensor).shape).toEqual([4, 7, 3])
      await expect(cut.forward(uniform([5, 6]))).rejects.toThrow(/closed when the model was cut/)
    }
  })
})
