import { describe, expect, it } from 'vitest'
import { type Compensation, compensate, cutAndVerify, describePlan, removedUnits } from '../../lib/cut/index.js'
import { analyse } from '../../lib/groups/analyse.js'
import { call, type ModuleInput, type ScriptModule, scope, Tensor } from '../../lib/torch/index.js'
import { Random } from '../../lib/train/index.js'
import { network, type Shapes, uniform } from '../support/networks.js'

/** A convolution of four channels and its batch norm, then what the test gives. */
const program = (...lines: string[]) =>
  [
    'def forward(self, x: Tensor) -> Tensor:',
    'x = torch.conv2d(x, self.a)',
    'x = torch.relu(torch.batch_norm(x, self.w, self.b, self.mean, self.var, False, 0.1, 1e-5, False))',
    ...lines,
    'return x',
  ].join('\n    ')
const norm2 = 'x = torch.batch_norm(x, self.w2, self.b2, self.mean2, self.var2, False, 0.1, 1e-5, False)'
const head = 'x = torch.linear(torch.relu(x).mean([2, 3]), self.head, self.headbias)'

async function* batchesOf(count: number): AsyncGenerator<readonly ModuleInput[]> {
  const random = new Random(3)
  for (let k = 0; k < count; k++) yield [uniform([5, 2, 6, 6], random)]
}

const example = () => uniform([2, 2, 6, 6])
const output = async (model: ScriptModule) => {
  const x = uniform([7, 2, 6, 6], new Random(9))
  return ((await model.eval().forward(x)) as Tensor).data() as Float32Array
}
const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)))

/**
 * Channel 1 of the first convolution, constant or nearly so behind its norm, is cut out and compensated for.
 * @returns how far the small model is from the original, before and after
 */
async function distances(lines: string[], shapes: Shapes, { gamma = 0 } = {}) {
  const parameters = { a: [4, 2, 3, 3], w: [4], b: [4], ...shapes }
  const buffers = {
    ...{ mean: uniform([4]), var: uniform([4]), mean2: uniform([6]), var2: uniform([6]) },
  }
  const model = await network(program(...lines), parameters, buffers)
  const own = model.parameters()
  const set = (name: string, values: number[]) =>
    call('aten::copy_', [own.get(name)!, Tensor.from(values, [4], { dtype: 'float32' })], { noGrad: true })
  set('w', [1, gamma, 0.8, 1.2])
  set('b', [0.1, 0.7, -0.2, 0.3])

  const recording = await model.record([example()])
  const analysis = analyse(recording.record)
  const group = analysis.groups.find(({ members }) => members.some(({ name }) => name === 'a'))!
  const plan = describePlan(analysis, removedUnits(analysis, { removed: [{ group: group.id, units: [1] }] }))
  const inputs = [example()]
  const { small } = await cutAndVerify(model, recording, analysis, plan, inputs)
  const original = await output(model)
  const before = distance(await output(small), original)
  const job = { model, small, recording, analysis, plan, inputs, data: batchesOf(4) }
  const { small: changed, compensations, uncompensated } = await compensate(job)
  const after = distance(await output(changed), original)
  recording.dispose()
  return {
    before,
    after,
    uncompensated,
    compensations: compensations.map(({ largest, ...rest }) => rest),
    largest: compensations[0]?.largest,
  }
}

const run = (...args: Parameters<typeof distances>) => scope(() => distances(...args))

describe('a constant channel', () => {
  const HEAD = { head: [3, 6], headbias: [3] }
  it.each<[string, string[], Shapes, Omit<Compensation, 'largest'>]>([
    [
      'goes into the bias of a 1x1 convolution',
      ['x = torch.conv2d(x, self.c, self.cb)', head],
      { c: [6, 4, 1, 1], cb: [6], ...HEAD },
      { scope: '', weight: 'c', into: 'bias', name: 'cb', exact: true },
    ],
    [
      'goes into the bias of a 3x3 convolution without padding',
      ['x = torch.conv2d(x, self.c, self.cb)', head],
      { c: [6, 4, 3, 3], cb: [6], ...HEAD },
      { scope: '', weight: 'c', into: 'bias', name: 'cb', exact: true },
    ],
    [
      'goes into the mean of the batch norm that follows',
      ['x = torch.conv2d(x, self.c)', norm2, head],
      { c: [6, 4, 3, 3], w2: [6], b2: [6], ...HEAD },
      { scope: '', weight: 'c', into: 'norm-mean', name: 'mean2', exact: true },
    ],
    [
      'becomes a new bias',
      ['x = torch.conv2d(x, self.c)', head],
      { c: [6, 4, 3, 3], ...HEAD },
      { scope: '', weight: 'c', into: 'new-bias', exact: true },
    ],
    [
      'goes into a linear layer after global pooling',
      ['x = torch.linear(x.mean([2, 3]), self.head4, self.headbias)'],
      { head4: [3, 4], headbias: [3] },
      { scope: '', weight: 'head4', into: 'bias', name: 'headbias', exact: true },
    ],
    [
      'goes into the bias behind a weight norm, whose scale stays that of the longer row',
      ['x = torch.conv2d(x, torch._weight_norm(self.c, self.g, 0), self.cb)', head],
      { c: [6, 4, 3, 3], g: [6, 1, 1, 1], cb: [6], ...HEAD },
      { scope: '', weight: 'c', into: 'bias', name: 'cb', exact: true },
    ],
    [
      'goes into the norm behind a weight norm',
      ['x = torch.conv2d(x, torch._weight_norm(self.c, self.g, 0))', norm2, head],
      { c: [6, 4, 3, 3], g: [6, 1, 1, 1], w2: [6], b2: [6], ...HEAD },
      { scope: '', weight: 'c', into: 'norm-mean', name: 'mean2', exact: true },
    ],
  ])('%s, exactly', async (_name, lines, shapes, wanted) => {
    const { before, after, compensations, uncompensated, largest } = await run(lines, shapes)
    expect(compensations).toEqual([wanted])
    expect(uncompensated).toEqual([])
    expect(before).toBeGreaterThan(0.01)
    expect(after).toBeLessThan(1e-5)
    expect(largest).toBeGreaterThan(0)
  })

  it('under zero padding is approximate: most of it is made up for', async () => {
    const lines = ['x = torch.conv2d(x, self.c, self.cb, [1, 1], [1, 1])', head]
    const { before, after, compensations } = await run(lines, { c: [6, 4, 3, 3], cb: [6], ...HEAD })
    expect(compensations).toEqual([{ scope: '', weight: 'c', into: 'bias', name: 'cb', exact: false }])
    expect(after).toBeLessThan(before / 2)
  })

  it('that varies is replaced by its mean', async () => {
    const lines = ['x = torch.conv2d(x, self.c, self.cb)', head]
    const { before, after, compensations } = await run(lines, { c: [6, 4, 1, 1], cb: [6], ...HEAD }, { gamma: 0.1 })
    expect(compensations[0]!.exact).toBe(false)
    expect(after).toBeLessThan(before / 2)
  })

  it.each<[string, string[], Shapes, string, string]>([
    [
      'a weight norm that is written out',
      ['x = torch.conv2d(x, self.c * self.g / self.c.norm(2, [1, 2, 3], True), self.cb)', head],
      { c: [6, 4, 3, 3], g: [6, 1, 1, 1], cb: [6], ...HEAD },
      'aten::conv2d',
      'its weight is computed',
    ],
    [
      'a weight norm without a bias or a norm',
      ['x = torch.conv2d(x, torch._weight_norm(self.c, self.g, 0))', head],
      { c: [6, 4, 3, 3], g: [6, 1, 1, 1], ...HEAD },
      'aten::conv2d',
      'its weight is computed, and it has no bias',
    ],
    [
      'a transposed convolution',
      ['x = torch.conv_transpose2d(x, self.c, self.cb)', head],
      { c: [4, 6, 3, 3], cb: [6], ...HEAD },
      'aten::conv_transpose2d',
      'its operator is none of those that are compensated',
    ],
    [
      'a product of matrices',
      ['x = torch.matmul(x.mean([2, 3]), self.m) + self.headbias'],
      { m: [4, 3], headbias: [3] },
      'aten::matmul',
      'its operator is none of those that are compensated',
    ],
  ])('is not compensated by %s, which is said', async (_name, lines, shapes, operator, reason) => {
    const { compensations, uncompensated } = await run(lines, shapes)
    expect(compensations).toEqual([])
    expect(uncompensated).toEqual([{ scope: '', operator, reason }])
  })

  it('is left alone by a grouped convolution', async () => {
    const lines = ['x = torch.conv2d(x, self.d, self.db, [1, 1], [0, 0], [1, 1], 4)', 'x = x.mean([2, 3])']
    const { compensations } = await run([...lines, 'x = torch.linear(x, self.head4, self.headbias)'], {
      d: [4, 1, 3, 3],
      db: [4],
      head4: [3, 4],
      headbias: [3],
    })
    // The depthwise filter goes with its channel; what the channel gives behind it is made up for there.
    expect(compensations).toEqual([{ scope: '', weight: 'head4', into: 'bias', name: 'headbias', exact: true }])
  })
})

it('nothing is compensated for without data', async () => {
  await scope(async () => {
    const model = await network(
      program('x = torch.linear(x.mean([2, 3]), self.head4, self.headbias)'),
      { a: [4, 2, 3, 3], w: [4], b: [4], head4: [3, 4], headbias: [3] },
      { mean: uniform([4]), var: uniform([4]) },
    )
    const recording = await model.record([example()])
    const analysis = analyse(recording.record)
    const plan = describePlan(analysis, removedUnits(analysis, { removed: [{ group: 0, units: [1] }] }))
    const { small } = await cutAndVerify(model, recording, analysis, plan, [example()])
    const job = { model, small, recording, analysis, plan, inputs: [example()], data: batchesOf(0) }
    expect((await compensate(job)).compensations).toEqual([])
  })
})

describe('observe', () => {
  it('gives mean and spread of each channel, over all else', async () => {
    await scope(async () => {
      const model = await network('def forward(self, x: Tensor) -> Tensor:\n    return torch.linear(x, self.a)', {
        a: [2, 3],
      })
      const recording = await model.record([Tensor.zeros([1, 3])])
      const [op] = recording.record.ops.filter(({ name }) => name === 'aten::linear')
      const x = Tensor.from([1, 2, 3, 5, 2, -3], [2, 3], { dtype: 'float32' })
      const [seen] = await model.observe(recording, [x], [{ node: op!.node, input: 0, dim: 1 }])
      expect([[...seen!.mean], [...seen!.spread]]).toEqual([
        [3, 2, 0],
        [4, 0, 6],
      ])
      const [never] = await model.observe(recording, [x], [{ node: 999, input: 0, dim: 1 }])
      expect(never).toBe(null)
      await expect(model.observe(recording, [x], [{ node: op!.node, input: 0, dim: 2 }])).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining('nothing along dimension 2'),
      })
      await expect(model.observe(recording, [Tensor.zeros([1, 4])], [])).rejects.toMatchObject({ code: 'ERR_TORCH' })
    })
  })
})
