import { load, type ScriptModule, Tensor } from 'espalier'
import { define, type Rewrite } from 'espalier/torch'
import { describe, expect, it } from 'vitest'
import { expectClose, failure, numbers } from './support.js'

const x = Tensor.from(Float32Array.of(1, -2, 3, 4, 5, -6), [2, 3])

/** What the network gives once the first operator of that name is rewritten; from its file, too. */
async function rewritten(network: ScriptModule, operator: string, rewrite: Omit<Rewrite, 'node'>): Promise<Tensor> {
  using recording = await network.record([x])
  const node = recording.record.ops.find(({ name }) => name === operator)?.node
  if (node === undefined) throw new Error(`no ${operator} was recorded`)
  const changed = await network.cut(recording, { rewrites: [{ node, ...rewrite }] })
  const output = (await changed.forward(x)) as Tensor
  const read = await load(await changed.toBuffer())
  expectClose((await read.forward(x)) as Tensor, numbers(output), 0)
  return output
}

const relu = () => define('def forward(self, x: Tensor):\n    return torch.relu(x) + 1')

describe('a node becomes source', () => {
  it('that takes its arguments by name, and values', async () => {
    const source = 'return torch.index(self, [None, order]) * factor'
    const values = { order: { shape: [3], data: [2, 0, 1] }, factor: 10 }
    const output = await rewritten(await relu(), 'aten::relu', { source, values })
    expect(numbers(output)).toEqual([31, 11, -19, -59, 41, 51])
  })

  it('of several lines, with branches of its own', async () => {
    const source = ['y = self', 'if self.size(0) > 1:', '  for i in range(times):', '    y = y + i', 'return y'].join(
      '\n',
    )
    expect(numbers(await rewritten(await relu(), 'aten::relu', { source, values: { times: 3 } }))).toEqual([
      5, 2, 7, 8, 9, -2,
    ])
  })

  it('within a loop, for each of its rounds', async () => {
    const loop = await define(
      [
        'def forward(self, x: Tensor):',
        '    for i in range(x.size(0)):',
        '        x = torch.neg(x)',
        '    return x',
      ].join('\n'),
    )
    expect(numbers(await rewritten(loop, 'aten::neg', { source: 'return self * 2' }))).toEqual([4, -8, 12, 16, 20, -24])
  })

  it('where it has several outputs, as a tuple', async () => {
    const network = await define('def forward(self, x: Tensor):\n    a, b = torch.var_mean(x, [1])\n    return a - b')
    const source = 'return torch.sum(self, dim), torch.amax(self, dim)'
    expect(numbers(await rewritten(network, 'aten::var_mean', { source }))).toEqual([2 - 3, 3 - 5])
  })

  it('that may be nothing but one of its arguments', async () => {
    expect(numbers(await rewritten(await relu(), 'aten::relu', { source: 'return self' }))).toEqual([
      2, -1, 4, 5, 6, -5,
    ])
  })

  it('with numbers, flags, lists and nothing as values', async () => {
    const source = ['if flag and none is None:', '  return self.view(shape)', 'return self'].join('\n')
    const output = await rewritten(await relu(), 'aten::relu', {
      source,
      values: { flag: true, none: null, shape: [3, 2] },
    })
    expect(output.shape).toEqual([3, 2])
  })
})

describe('source that can not stand for the node is refused, and the model still works', () => {
  it.each<[string, Partial<Rewrite>, RegExp]>([
    ['what is no TorchScript', { source: 'return self +' }, /does not compile/],
    ['nothing', { source: '' }, /does not compile/],
    ['an unknown name', { source: 'return nobody' }, /does not compile: undefined value nobody/],
    ['an operator that there is none of', { source: 'return torch.nonsense(self)' }, /does not compile/],
    ['a number for a tensor', { source: 'return 1' }, /gives Tensor, and its source int/],
    ['no result', { source: 'y = self' }, /gives Tensor, and its source NoneType/],
    [
      'a value by the name of an argument',
      { source: 'return self', values: { self: 1 } },
      /is an argument and a value/,
    ],
    ['a value without a name', { source: 'return self', values: { '1x)': 1 } }, /is no name of a value/],
    [
      'brackets without end',
      { source: `return ${'('.repeat(300)}self${')'.repeat(300)}` },
      /nested more than 256 deep/,
    ],
    ['a node that is none', { node: 1e6, source: 'return self' }, /no node 1000000/],
    ['source that is no text', { source: 7 as never }, /source must be/],
  ])('%s', async (_, edit, message) => {
    const network = await relu()
    using recording = await network.record([x])
    const node = recording.record.ops.find(({ name }) => name === 'aten::relu')?.node as number
    const rewrite = { node, source: '', ...edit }
    const error = await failure(() => network.cut(recording, { rewrites: [rewrite] }))
    expect([error.code, error.message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringMatching(message)])
    expectClose((await network.forward(x)) as Tensor, [2, 1, 4, 5, 6, 1], 0)
  })

  it('a branch, which is no operator', async () => {
    const network = await define(
      ['def forward(self, x: Tensor):', '    if x.sum() > 0:', '        x = x + 1', '    return x'].join('\n'),
    )
    using recording = await network.record([x])
    const node = recording.record.ops.find(({ name }) => name === 'prim::If')?.node ?? recording.record.skipped[0]?.node
    const error = await failure(() =>
      network.cut(recording, { rewrites: [{ node: node as number, source: 'return 1' }] }),
    )
    expect([error.code, error.message]).toEqual(['ERR_INVALID_ARGUMENT', expect.stringContaining('it is no operator')])
  })
})
