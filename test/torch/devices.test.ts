import { load, prune, type ScriptModule, scope, Tensor } from 'espalier'
import { describe, expect, it } from 'vitest'
import * as yauzl from 'yauzl'
import { network, uniform } from '../support/networks.js'
import { expectClose, numbers } from './support.js'

const SHAPES = { a: [8, 6], b: [5, 8] }

/** What each line makes of `y`, which goes on as `z`; written down where the model was on a GPU. */
const LINES: [title: string, line: string][] = [
  ['a range', 'z = y + torch.arange(4, dtype=6, device=torch.device("cuda:0")).unsqueeze(-1)'],
  ['zeros', 'z = y + torch.zeros([4, 8], device=torch.device("cuda:0"))'],
  ['a tensor that is moved', 'z = y + torch.ones([1]).to(torch.device("cuda"))'],
  ['a cast with a device', 'z = y.to(torch.device("cuda:1"), 7, False, False).to(6)'],
  ['x.cuda()', 'z = y.cuda() * 0.5'],
  ['a function without tensors of its own', 'z = y + self.table(y)'],
  ['a function without tensors at all', 'z = y + self.steps(4)'],
]
const HELPERS = `
def table(self, x: Tensor) -> Tensor:
  return torch.full([x.size(1), 1], 0.5, device=torch.device("cuda:0"))
def steps(self, n: int) -> Tensor:
  return torch.full([n, 1], 0.25, device=torch.device("cuda:0"))
`
const program = (line: string) => `${HELPERS}
def forward(self, x: Tensor) -> Tensor:
  y = torch.relu(torch.linear(x, self.a))
  ${line}
  return torch.linear(z, self.b)`
const onCpu = (text: string) => text.replace(/"cuda(:\d)?"/g, '"cpu"').replace('.cuda()', '.cpu()')

/** The text of the programs in a file of a model. */
async function programOf(model: ScriptModule): Promise<string> {
  const zip = await yauzl.fromBufferPromise(Buffer.from(await model.toBuffer()), { lazyEntries: true })
  const texts: string[] = []
  for await (const entry of zip.eachEntry()) {
    if (!entry.fileName.endsWith('.py')) continue
    for await (const chunk of await zip.openReadStreamPromise(entry)) texts.push(String(chunk))
  }
  expect(texts.length).toBeGreaterThan(0)
  return texts.join('')
}

describe('a device that a program names is the one where the model is', () => {
  it.each(LINES)('%s', async (_, line) => {
    await scope(async () => {
      const x = uniform([2, 4, 6])
      const bytes = await (await network(program(line), SHAPES)).toBuffer()
      const model = await load(bytes)
      const wanted = (await (await network(onCpu(program(line)), SHAPES)).forward(x)) as Tensor
      expectClose((await model.forward(x)) as Tensor, numbers(wanted), 1e-6)
      const { small, plan } = await prune(model, { inputs: [x], ratio: () => 0.5 })
      expect(plan.params[1]).toBeLessThan(plan.params[0])
      expect(((await small.forward(x)) as Tensor).shape).toEqual([2, 4, 5])
      // What is saved runs without a GPU elsewhere, too.
      for (const each of [model, small]) expect(await programOf(each)).not.toContain('cuda')
    })
  })

  it('is left alone where it is the CPU: some operators want their numbers there', async () => {
    await scope(async () => {
      const model = await network(program('z = y + torch.ones([1], device=torch.device("cpu"))'), SHAPES)
      const loaded = await load(await model.toBuffer())
      expect(await programOf(loaded)).toContain('torch.device("cpu")')
      expect(((await loaded.forward(Tensor.zeros([2, 4, 6]))) as Tensor).shape).toEqual([2, 4, 5])
    })
  })
})
