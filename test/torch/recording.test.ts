import { fileURLToPath } from 'node:url'
import { type Analysis, define, load, type ScriptModule, Tensor } from 'espalier'
import { analyse, type OpRecord } from 'espalier/analysis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, model } from './support.js'

const digits = (form: string) => fileURLToPath(new URL(`../../examples/data/resnet8.${form}.pt`, import.meta.url))
const x = Tensor.zeros([1, 1, 8, 8])

async function recordOf(network: ScriptModule, inputs = [x]): Promise<OpRecord> {
  const recording = await network.record(inputs)
  recording.dispose()
  return recording.record
}

/** `name: scope` of operators of a kind, in the order in which they ran. */
function scopes(record: OpRecord, pattern: RegExp): string[] {
  return record.ops.filter((op) => pattern.test(op.name)).map((op) => op.scope)
}

function groups(analysis: Analysis): string[] {
  return analysis.groups.map((g) => `${g.kind} ${g.size}: ${g.members.map((m) => `${m.name}.${m.dim}`).join(' ')}`)
}

describe.each(['script', 'trace'])('the record of a %s', (form) => {
  let network: ScriptModule
  let record: OpRecord
  beforeAll(async () => {
    network = await load(digits(form))
    record = await recordOf(network)
  })
  afterAll(() => network.dispose())

  it('has every convolution in the order of the network, with the module that it belongs to', () => {
    expect(scopes(record, /conv/)).toEqual([
      'conv1',
      'layer1.0.conv1',
      'layer1.0.conv2',
      'layer2.0.conv1',
      'layer2.0.conv2',
      'layer2.0.shortcut.0',
      'layer3.0.conv1',
      'layer3.0.conv2',
      'layer3.0.shortcut.0',
    ])
  })

  it('names parameters and buffers, and gives their shapes', () => {
    const named = record.values.flatMap((v) => (v.kind === 'tensor' && v.names ? [[v.role, v.names[0], v.shape]] : []))
    expect(named).toContainEqual(['parameter', 'conv1.weight', [16, 1, 3, 3]])
    expect(named).toContainEqual(['buffer', 'bn1.running_var', [16]])
  })

  it('gives operators their arguments by name', () => {
    const norm = record.ops.find((op) => op.name === 'aten::batch_norm')!
    const weight = norm.inputs[norm.argNames.indexOf('weight')] as number
    expect(record.values[weight]).toMatchObject({ names: ['bn1.weight'] })
    expect(norm.inputs).toHaveLength(norm.argNames.length)
  })

  it('says what differs at twice the batch', () => {
    expect(record.secondRun?.batch).toBe(2)
    const output = record.output as number
    expect(record.secondRun?.shapes.get(output)).toEqual([2, 10])
  })

  it('leaves the module as it was, bytes and mode', async () => {
    network.train()
    const before = await network.toBuffer()
    await recordOf(network, [Tensor.full([2, 1, 8, 8], 3)])
    expect(Buffer.compare(await network.toBuffer(), before)).toBe(0)
    expect(network.training).toBe(true)
    network.eval()
  })

  it.each([
    ['shape', () => [Tensor.zeros([1, 3, 8, 8])]],
    ['dtype', () => [Tensor.zeros([1, 1, 8, 8], { dtype: 'int64' })]],
    ['number', () => [x, x]],
    ['rank', () => [Tensor.zeros([8])]],
  ])('refuses inputs of a wrong %s', async (_, inputs) => {
    expect((await failure(() => network.record(inputs()))).code).toBe('ERR_INVALID_ARGUMENT')
    expect((await network.forward(x)) instanceof Tensor).toBe(true)
  })
})

describe('on shapes alone, what the operators refuse is refused as in the real run', () => {
  const square = {
    w: Tensor.full([3, 3], 1),
    k: Tensor.full([3, 3, 1], 1),
    half: Tensor.full([3, 3], 1, { dtype: 'float64' }),
  }
  const float = Tensor.full([2, 3, 3], 0.5)
  const whole = Tensor.full([2, 3, 3], 1, { dtype: 'int64' })
  it.each([
    ['linear', 'torch.linear(x, self.w)'],
    ['conv1d', 'torch.conv1d(x, self.k)'],
    ['matmul', 'torch.matmul(x, self.w)'],
    ['einsum', "torch.einsum('bij,jk->bik', [x, self.w])"],
    ['softmax', 'torch.softmax(x, -1) @ self.w'],
    ['gelu', 'torch.gelu(x) @ self.w'],
    ['layer_norm', 'torch.layer_norm(x, [3]) @ self.w'],
    ['relu, which takes both', 'torch.relu(x).float() @ self.w'],
    ['sigmoid, which takes both', 'torch.sigmoid(x) @ self.w'],
  ])('whole numbers into %s', async (_what, expression) => {
    const made = await define(`def forward(self, x: Tensor) -> Tensor:\n  return ${expression}`, { parameters: square })
    expect((await recordOf(made, [float])).executed).toBeFalsy()
    const real = await made.forward(whole).catch((error) => error)
    const recorded = await made.record([whole]).catch((error) => error)
    expect(recorded instanceof Error).toBe(real instanceof Error)
    if (real instanceof Error) expect(recorded).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  it.each([
    ['ids of an embedding', 'torch.embedding(self.w, ids)'],
    ['an index', 'torch.index_select(self.w, 0, ids)'],
    ['two dtypes', 'torch.matmul(self.w, self.half)'],
  ])('floats as %s', async (_what, expression) => {
    const source = `def forward(self, ids: Tensor) -> Tensor:\n  return ${expression}`
    const made = await define(source, { parameters: square })
    expect((await failure(() => made.record([Tensor.full([2], 1)]))).code).toBe('ERR_INVALID_ARGUMENT')
  })
})

describe('what a record is good for', () => {
  it('a script and a trace of one network have the same groups', async () => {
    const [script, trace] = await Promise.all(['script', 'trace'].map((form) => load(digits(form))))
    expect(groups(analyse(await recordOf(trace!)))).toEqual(groups(analyse(await recordOf(script!))))
  })

  it('follows lists built by append, and modules called twice', async () => {
    const concat = analyse(await recordOf(await load(model('toy_concat.script.pt')), [Tensor.zeros([2, 3, 8, 8])]))
    expect(concat.coverage).toBeGreaterThan(0.99)
    const twice = Tensor.zeros([2, 12])
    const siamese = analyse(await recordOf(await load(model('odd_siamese.trace.pt')), [twice, twice]))
    expect(siamese.coverage).toBeGreaterThan(0.99)
    expect([...concat.broken, ...siamese.broken]).toEqual([])
  })

  it('refuses a disposed module', async () => {
    const network = await load(digits('trace'))
    network.dispose()
    expect((await failure(() => network.record([x]))).code).toBe('ERR_DISPOSED')
  })

  it('knows one parameter by all of its names', async () => {
    const tied = await load(model('tied.script.pt'))
    const record = await recordOf(tied, [Tensor.from(BigInt64Array.of(0n, 1n), [2])])
    const names = record.values.flatMap((v) => (v.kind === 'tensor' && v.names && v.names.length > 1 ? [v.names] : []))
    expect(names).toHaveLength(1)
    expect(names[0]).toHaveLength(2)
  })
})
