import { define, expandTensors, groupL2, makeManifest, prune, scope, type Tensor } from 'espalier'
import { analyse, dimensionCoefficients, weightsFrom } from 'espalier/analysis'
import { describe, expect, it } from 'vitest'
import { type Case, checkCase } from '../groups/worked.js'
import { hold } from '../property/law.js'
import { network, uniform } from '../support/networks.js'
import { expectClose, numbers } from '../torch/support.js'

const signal = () => [uniform([2, 3, 8])]

const VOCODER: Case = {
  title: 'a vocoder: rows of one direction are columns of the next, transposed too',
  source: `def forward(self, x: Tensor) -> Tensor:
  y = torch.conv1d(x, torch._weight_norm(self.v, self.g, 0), self.b, [1], [1])
  u = torch.conv_transpose1d(torch.leaky_relu(y), torch._weight_norm(self.uv, self.ug, 0), self.ub, [2], [1])
  r = u + torch.conv1d(torch.leaky_relu(u), torch._weight_norm(self.rv, self.rg, 0), None, [1], [1])
  return torch.tanh(torch.conv1d(r, torch._weight_norm(self.pv, self.pg, 0)))`,
  parameters: {
    ...{ v: [8, 3, 3], g: [8, 1, 1], b: [8], uv: [8, 6, 4], ug: [8, 1, 1], ub: [6] },
    ...{ rv: [6, 6, 3], rg: [6, 1, 1], pv: [2, 6, 1], pg: [2, 1, 1] },
  },
  inputs: signal,
  groups: ['channels 8: v.0 g.0 b.0 uv.0 ug.0', 'channels 6: uv.1 ub.0 rv.0 rv.1 rg.0 pv.1'],
}

const CASES: Case[] = [
  VOCODER,
  {
    title: 'the same, written out',
    source: `def forward(self, x: Tensor) -> Tensor:
  w = self.g * self.v / self.v.norm(2, [1, 2], True)
  n = torch.sqrt(torch.sum(self.v2 * self.v2, [1, 2])).view(5, 1, 1)
  return torch.conv1d(torch.relu(torch.conv1d(x, w)), self.v2 * (self.g2 / n))`,
    parameters: { v: [8, 3, 3], g: [8, 1, 1], v2: [5, 8, 1], g2: [5, 1, 1] },
    inputs: signal,
    groups: ['channels 8: v.0 g.0 v2.1'],
  },
  {
    title: 'gates of an LSTM with a norm of each row',
    source: `def forward(self, x: Tensor) -> Tensor:
  z = torch.zeros([1, x.size(0), 6])
  w = [torch._weight_norm(self.ih, self.g, 0), torch._weight_norm(self.hh, self.k, 0)]
  y, h, c = torch.lstm(x.transpose(1, 2), [z, z], w, False, 1, 0.0, False, False, True)
  return torch.linear(y, self.o)`,
    parameters: { ih: [24, 3], g: [24, 1], hh: [24, 6], k: [24, 1], o: [2, 6] },
    inputs: signal,
    groups: ['hidden 6: ih.0 g.0 hh.0 hh.1 k.0 o.1'],
  },
  {
    title: 'a direction that is read without its scale, too: it is not zero there',
    source: `def forward(self, x: Tensor) -> Tensor:
  w = torch._weight_norm(self.v, self.g, 0)
  return torch.conv1d(torch.relu(torch.conv1d(x, w)), self.o) + torch.sum(torch.conv1d(x, self.v), [1], True)`,
    parameters: { v: [8, 3, 1], g: [8, 1, 1], o: [5, 8, 1] },
    inputs: signal,
    groups: [],
    frozen: ['v.0: reduction over the axis', 'o.1: reduction over the axis'],
  },
  {
    title: 'spectral norm, by buffers that estimate the singular vectors: a barrier',
    source: `def forward(self, x: Tensor) -> Tensor:
  w = self.a / torch.vdot(self.u.clone(), torch.mv(self.a.flatten(1), self.v.clone()))
  y = torch.conv1d(torch.relu(torch.conv1d(x, w)), self.b)
  return torch.conv1d(torch.relu(y), self.c / torch.dot(self.s, torch.mv(self.c.view(5, -1), self.t)))`,
    parameters: { a: [8, 3, 1], b: [6, 8, 1], c: [5, 6, 1] },
    buffers: () => ({ u: uniform([8]), v: uniform([3]), s: uniform([5]), t: uniform([6]) }),
    inputs: signal,
    groups: [],
    frozen: ['a.0: spectral norm', 'b.1: spectral norm', 'b.0: spectral norm', 'c.1: spectral norm'],
  },
]

describe('weights that are divided by a number of their own', () => {
  it.each(CASES)('$title', checkCase)

  it('the masked network has zero scales, and numbers where directions are zero it has none', async () => {
    const parameters = Object.fromEntries(
      Object.entries(VOCODER.parameters).map(([name, shape]) => [name, { shape: [...shape], zero: false }]),
    )
    const source = { text: VOCODER.source, parameters, buffers: {} }
    expect(await hold({ source, seed: 7, inputs: [[2, 3, 8]], exact: true })).toMatchObject({ outcome: 'cut' })
  })

  it('directions are cut, but neither zeroed nor penalised, and count for nothing', async () => {
    await scope(async () => {
      const model = await network(VOCODER.source, VOCODER.parameters)
      const { plan, analysis } = await prune(model, { inputs: signal(), ratio: 0.5 })
      expect(plan.directions).toEqual({ v: [0], uv: [0], rv: [0] })
      const ones = analysis.groups.map(({ size }) => new Float32Array(size).fill(1))
      const penalised = [...dimensionCoefficients(analysis, ones)].map(([name, dims]) => [name, dims.map((d) => d.dim)])
      expect(Object.fromEntries(penalised)).toEqual({
        g: [0],
        b: [0],
        ug: [0],
        uv: [1],
        ub: [0],
        rv: [1],
        rg: [0],
        pv: [1],
      })
    })
  })

  it('tensors of the small network make the large one compute the same, put back', async () => {
    await scope(async () => {
      const model = await network(VOCODER.source, VOCODER.parameters)
      const result = await prune(model, { inputs: signal(), ratio: 0.5 })
      const large = expandTensors(makeManifest(result), result.small.parameters())
      const restored = await define(VOCODER.source, { parameters: Object.fromEntries(large) })
      const [x] = signal() as [Tensor]
      expectClose((await restored.forward(x)) as Tensor, numbers((await result.small.forward(x)) as Tensor), 1e-5)
    })
  })

  it('a channel is worth what its scale is, however long its direction', async () => {
    const source = `def forward(self, x: Tensor) -> Tensor:
  return torch.conv1d(torch.relu(torch.conv1d(x, torch._weight_norm(self.v, self.g, 0))), self.o)`
    await scope(async () => {
      const model = await network(source, { v: [3, 3, 1], g: [3, 1, 1], o: [2, 3, 1] })
      const groups = analyse((await model.record(signal())).record)
      const weights = weightsFrom({
        v: { shape: [3, 3, 1], data: [1, 1, 1, 9, 9, 9, 0.1, 0.1, 0.1] },
        g: { shape: [3, 1, 1], data: [3, 2, 1] },
        o: { shape: [2, 3, 1], data: [1, 1, 1, 1, 1, 1] },
      })
      // (g² + o²) / 2, divided by its mean over the units: (9 + 2, 4 + 2, 1 + 2) / (20 / 3)
      expect([...(await groupL2()({ groups, weights })).values()].map((scores) => Array.from(scores))).toEqual([
        [33 / 20, 18 / 20, 9 / 20].map((score) => expect.closeTo(score, 12)),
      ])
    })
  })
})
