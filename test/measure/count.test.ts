import { prune, scope, type Tensor } from 'espalier'
import { analyse, countOperators, countSize, removedUnits } from 'espalier/analysis'
import { describe, expect, it } from 'vitest'
import { network, type Shapes, uniform } from '../support/networks.js'

/** MACs written as the product that they are. */
const CASES: [title: string, code: string, parameters: Shapes, input: number[], macs: number][] = [
  [
    'a convolution: outputs x window x inputs',
    'torch.conv2d(x, self.w, None, [2, 2])',
    { w: [6, 4, 3, 3] },
    [2, 4, 9, 9],
    2 * 6 * 4 * 4 * (9 * 4),
  ],
  [
    'a grouped one: inputs of one group only',
    'torch.conv2d(x, self.w, None, [1, 1], [1, 1], [1, 1], 2)',
    { w: [6, 2, 3, 3] },
    [2, 4, 5, 5],
    2 * 6 * 25 * (9 * 2),
  ],
  ['a depthwise one', 'torch.conv1d(x, self.w, None, [1], [1], [1], 4)', { w: [4, 1, 3] }, [2, 4, 7], 2 * 4 * 7 * 3],
  [
    'a transposed one: inputs x window x outputs of a group',
    'torch.conv_transpose2d(x, self.w, None, [2, 2], [0, 0], [0, 0], 2)',
    { w: [4, 3, 2, 2] },
    [2, 4, 5, 5],
    2 * 4 * 25 * (4 * 3),
  ],
  ['linear', 'torch.linear(x, self.w, self.b)', { w: [7, 5], b: [7] }, [2, 3, 5], 2 * 3 * 7 * 5],
  ['matmul with a batch', 'torch.matmul(x, self.w)', { w: [5, 7] }, [2, 3, 5], 2 * 3 * 7 * 5],
  ['a bilinear form', 'torch.bilinear(x, x, self.w)', { w: [7, 5, 5] }, [3, 5], 3 * 7 * 5 * 5],
  [
    'einsum over two operands: all of their letters',
    "torch.einsum('bti,ihd->bthd', [x, self.w])",
    { w: [5, 2, 4] },
    [2, 3, 5],
    2 * 3 * 5 * 2 * 4,
  ],
  [
    'einsum over three: from the left',
    "torch.einsum('...i,ij,jk->...k', [x, self.w, self.v])",
    { w: [5, 6], v: [6, 4] },
    [2, 3, 5],
    2 * 3 * 5 * 6 + 2 * 3 * 6 * 4,
  ],
  [
    'attention: scores and what they weigh, for every head',
    'torch.scaled_dot_product_attention(x, x, torch.matmul(x, self.w))',
    { w: [5, 6] },
    [2, 4, 3, 5],
    2 * 4 * 3 * 5 * 6 + 2 * 4 * 3 * 3 * (5 + 6),
  ],
  [
    'a grouped product: every row meets the matrix of its group',
    'torch._grouped_mm(x, self.w, torch.ones([1]).int() * x.size(0))',
    { w: [1, 8, 12] },
    [6, 8],
    6 * 8 * 12,
  ],
  [
    'a grouped product that shares out the terms of its sums: each is in one group',
    'torch._grouped_mm(self.w, x, (torch.arange(2) + 1).int() * 4)',
    { w: [12, 8] },
    [8, 4],
    12 * 8 * 4,
  ],
  ['baddbmm', 'torch.baddbmm(self.b, x, x.transpose(1, 2))', { b: [2, 3, 3] }, [2, 3, 5], 2 * 3 * 3 * 5],
]

const body = (code: string) => `def forward(self, x: Tensor) -> Tensor:\n  return ${code}`

async function sizes(source: string, parameters: Shapes, shape: number[]) {
  return scope(async () => {
    const model = await network(source, parameters)
    const analysis = analyse((await model.record([uniform(shape)])).record)
    return { all: countSize(analysis), each: countOperators(analysis) }
  })
}

describe('counting', () => {
  it.each(CASES)('%s', async (_, code, parameters, shape, macs) => {
    const { all, each } = await sizes(body(code), parameters, shape)
    const elements = Object.values(parameters).reduce((sum, sizes) => sum + sizes.reduce((a, b) => a * b, 1), 0)
    expect(all).toEqual({ params: elements, macs })
    expect(each.reduce((sum, op) => sum + op.macs, 0)).toBe(macs)
    expect(each.reduce((sum, op) => sum + op.params, 0)).toBe(elements)
  })

  it('recurrent layers: each matrix at every step, in both directions, and the projection', async () => {
    const [hidden, projected, inputs, steps, batch] = [6, 4, 3, 5, 2]
    const cell = { ih: [4 * hidden, inputs], hh: [4 * hidden, projected], hr: [projected, hidden] }
    const parameters = Object.fromEntries(
      ['a', 'b'].flatMap((way) => Object.entries(cell).map(([name, shape]) => [`${way}${name}`, shape])),
    )
    const weights = Object.keys(parameters).map((name) => `self.${name}`)
    const states = `[torch.zeros([2, 2, ${projected}]), torch.zeros([2, 2, ${hidden}])]`
    const run = `y, h, c = torch.lstm(x, ${states}, [${weights.join(', ')}], False, 1, 0.0, False, True, True)`
    const { all } = await sizes(`def forward(self, x: Tensor) -> Tensor:\n  ${run}\n  return y`, parameters, [
      batch,
      steps,
      inputs,
    ])
    const once = 4 * hidden * inputs + 4 * hidden * projected + projected * hidden
    expect(all).toEqual({ params: 2 * once, macs: 2 * batch * steps * once })
  })

  it('cells: both matrices for every row of the batch, step by step', async () => {
    const source = `def forward(self, x: Tensor) -> Tensor:
  h = torch.zeros([x.size(0), 6])
  c = torch.zeros([x.size(0), 6])
  for t in range(4):
    h, c = torch.lstm_cell(x[:, t], [h, c], self.ih, self.hh)
  return torch.gru_cell(h, torch.zeros([x.size(0), 3]), self.gih, self.ghh)`
    const { all } = await sizes(source, { ih: [24, 5], hh: [24, 6], gih: [9, 6], ghh: [9, 3] }, [2, 4, 5])
    const [lstm, gru] = [24 * 5 + 24 * 6, 9 * 6 + 9 * 3]
    expect(all).toEqual({ params: lstm + gru, macs: 2 * (4 * lstm + gru) })
  })

  it('counts a parameter of two operators where it is read first, and element-wise work not at all', async () => {
    const source = body('torch.linear(torch.relu(torch.linear(x, self.w)) * self.g, self.w)')
    const { each } = await sizes(source, { w: [5, 5], g: [5] }, [2, 5])
    expect(each.map(({ operator, params, macs }) => [operator, params, macs])).toEqual([
      ['aten::linear', 25, 50],
      ['aten::mul', 5, 0],
      ['aten::linear', 0, 50],
    ])
  })

  it('counts what is left of each after a plan, as the small model does', async () => {
    await scope(async () => {
      const source = body('torch.conv2d(torch.relu(torch.conv2d(x, self.a, self.b)), self.c)')
      const model = await network(source, { a: [8, 3, 3, 3], b: [8], c: [5, 8, 1, 1] })
      const inputs = [uniform([2, 3, 6, 6])]
      const { small, plan, analysis } = await prune(model, { inputs, ratio: 0.5 })
      const after = countOperators(analysis, removedUnits(analysis, plan)).map(({ params, macs }) => [params, macs])
      expect(after).toEqual([
        [4 * 27 + 4, 2 * 16 * 4 * 27],
        [5 * 4, 2 * 16 * 5 * 4],
      ])
      const again = analyse((await small.record(inputs as Tensor[])).record)
      expect(countOperators(again).map(({ params, macs }) => [params, macs])).toEqual(after)
    })
  })
})
