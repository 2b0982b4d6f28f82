import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  adamw,
  greg1,
  greg2,
  growing,
  jsonLines,
  load,
  prune,
  Run,
  type RunEvent,
  type ScriptModule,
  type SparsifyOptions,
  sgd,
  sparsify,
  Tensor,
} from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataFile, digits } from '../../examples/digits.js'

const folder = mkdtempSync(join(tmpdir(), 'espalier-'))
const { train, validation } = digits()
let model: ScriptModule
let x: Tensor
let before: string

const fingerprint = (module: ScriptModule) =>
  JSON.stringify(
    [...module.parameters(), ...module.buffers()].map(([name, t]) => [
      name,
      Array.from(t.data() as Float32Array, Number),
    ]),
  )

beforeAll(async () => {
  model = await load(dataFile('resnet8.script.pt'))
  x = Tensor.zeros([1, 1, 8, 8])
  before = fingerprint(model)
})
afterAll(() => rmSync(folder, { recursive: true }))

const options = (over: Partial<SparsifyOptions> = {}): SparsifyOptions => ({
  inputs: [x],
  data: { train, validation },
  loss: 'cross-entropy',
  budget: { macs: 0.5 },
  regularizer: greg1({ ceiling: 1, updateEvery: 5 }),
  sparse: { epochs: 1, optimizer: sgd({ lr: 0.01, momentum: 0.9 }) },
  finetune: false,
  seed: 1,
  ...over,
})

describe('sparsify', () => {
  it.each(['resnet8.script.pt', 'resnet8.trace.pt'])('makes %s smaller', async (file) => {
    const model = await load(dataFile(file))
    const { signal } = new AbortController()
    const { small, plan, history, evaluations, verification } = await sparsify(model, {
      ...{ inputs: [x], data: { train, validation }, loss: 'cross-entropy', budget: { macs: 0.5 } },
      ...{ regularizer: greg1({ ceiling: 1, updateEvery: 5 }) },
      ...{ sparse: { epochs: 4, optimizer: sgd({ lr: 0.01, momentum: 0.9 }) } },
      ...{ finetune: { epochs: 1, optimizer: sgd({ lr: 0.02, momentum: 0.9 }) }, seed: 1, signal },
    })
    const path = join(folder, file)
    await small.save(path)

    expect(plan.macs[1] / plan.macs[0]).toBeLessThanOrEqual(0.5)
    expect(plan.macs[1] / plan.macs[0]).toBeGreaterThan(0.47)
    const size = [...small.parameters().values()].reduce((sum, { numel }) => sum + numel, 0)
    expect(size).toBe(plan.params[1])
    expect(history.map(({ phase, epoch }) => `${phase} ${epoch}`)).toEqual([
      ...['sparse 1', 'sparse 2', 'sparse 3', 'sparse 4', 'finetune 1'],
    ])
    expect(verification!.passes.map(({ weights, inputs }) => `${weights} ${inputs}`)).toEqual([
      'own example',
      'refilled example',
      'refilled doubled',
      'refilled resized',
    ])
    expect(evaluations.before!.accuracy).toBe(713 / 719)
    expect(evaluations.regularized!.accuracy! - evaluations.cut!.accuracy!).toBeLessThanOrEqual(0.005)
    expect(evaluations.cut!.accuracy).toBeGreaterThan(0.95)
    expect(evaluations.finetuned!.accuracy).toBeGreaterThan(0.95)

    // Batch norm learns, in a trace taken in eval mode too.
    const statistics = (module: ScriptModule) =>
      Array.from(module.buffers().get('bn1.running_mean')!.data() as Float32Array)
    const kept = plan.keep['bn1.running_mean']?.[0] ?? []
    expect(kept.length).toBeGreaterThan(0)
    expect(statistics(small)).toHaveLength(kept.length)
    expect(statistics(small)).not.toEqual(kept.map((unit) => statistics(model)[unit]))

    const loaded = await load(path)
    expect(fingerprint(loaded)).toBe(fingerprint(small))
    expect(loaded.training).toBe(false)
    for (const garbage of [model, small, loaded]) garbage.dispose()
  })

  it('leaves the model that it was given as it was', async () => {
    const { small } = await sparsify(model, options())
    small.dispose()
    expect(fingerprint(model)).toBe(before)
    expect([...model.parameters().values()].every(({ grad }) => grad === null)).toBe(true)
  })

  it('chooses at the end with growing regularization', async () => {
    const kinds: string[] = []
    const result = await sparsify(model, {
      ...options({ regularizer: growing({ deltaReg: 1e-3, updateEvery: 5 }), data: { train } }),
      onEvent: ({ kind }) => void (kinds.at(-1) === kind || kinds.push(kind)),
    })
    expect(kinds).toEqual(['analysis', 'settings', 'batch', 'epoch', 'regularizer', 'plan', 'cutting', 'cut'])
    expect(result.evaluations).toEqual({})
    expect(result.regularizer).toMatchObject({ name: 'growing', iteration: 17, updates: 3 })
    result.small.dispose()
  })

  it('chooses in the phase, and cuts what was chosen then', async () => {
    const regularizer = greg2({ pickGranularity: 0.01, pickCeiling: 0.02, granularity: 0.1, updateEvery: 2 })
    let planned: unknown
    const {
      small,
      plan,
      regularizer: state,
    } = await sparsify(model, {
      ...options({ regularizer }),
      onEvent: (record) => {
        if (record.kind === 'plan') planned = record.plan.removed
      },
    })
    expect(state).toMatchObject({ name: 'greg-2', stage: 'push', removed: plan.removed })
    expect(planned).toEqual(plan.removed)
    expect(plan.macs[1] / plan.macs[0]).toBeLessThanOrEqual(0.5)
    small.dispose()
  })

  it('ends the phase when the schedule has come to its end, and says what that saved', async () => {
    const records: RunEvent[] = []
    const regularizer = greg1({ granularity: 0.5, ceiling: 1, updateEvery: 2, stabilize: 4 })
    const { small, history } = await sparsify(model, {
      ...options({ regularizer, finetune: { epochs: 1, optimizer: sgd({ lr: 0.01 }) } }),
      onEvent: (record) => records.push(record),
    })
    // two growth steps and four iterations of stabilization, of 17
    expect(records.filter(({ kind }) => kind === 'early')).toEqual([{ kind: 'early', iteration: 8, saved: 9 }])
    expect(history.map(({ phase, iteration }) => [phase, iteration])).toEqual([
      ['sparse', 8],
      ['finetune', 17],
    ])
    small.dispose()
  })

  it('compensates for what the removed channels still emit, after the accuracy at the cut was measured', async () => {
    const records: RunEvent[] = []
    const { small, evaluations } = await sparsify(model, {
      ...options({ compensate: { batches: 2 } }),
      onEvent: (record) => records.push(record),
    })
    const stages = records.flatMap((record) => (record.kind === 'evaluation' ? [record.stage] : []))
    expect(stages).toEqual(['before', 'regularized', 'cut', 'compensated'])
    const [compensated] = records.flatMap((record) => (record.kind === 'compensated' ? [record] : []))
    // Padded convolutions into the mean of their norm; the linear layer after global pooling into its bias.
    expect(compensated!.compensations).toContainEqual({
      ...{ scope: 'fc', weight: 'fc.weight', into: 'bias', name: 'fc.bias', exact: false, largest: expect.any(Number) },
    })
    expect(compensated!.compensations.filter(({ into }) => into === 'norm-mean').length).toBeGreaterThan(3)
    // After one epoch the channels still emit something: making up for it helps.
    expect(evaluations.compensated!.accuracy).toBeGreaterThan(evaluations.cut!.accuracy!)
    expect(small.training).toBe(false)
    small.dispose()
    const wrong = sparsify(model, options({ compensate: { batches: 0 } }))
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  it('trains with AdamW, the penalty decoupled', async () => {
    const { small, evaluations } = await sparsify(model, {
      ...options({ sparse: { epochs: 4, optimizer: adamw({ lr: 1e-3 }) } }),
      regularizer: greg1({ ceiling: 100, updateEvery: 5 }),
    })
    expect(evaluations.regularized!.accuracy! - evaluations.cut!.accuracy!).toBeLessThanOrEqual(0.005)
    expect(evaluations.cut!.accuracy).toBeGreaterThan(0.9)
    small.dispose()
  })

  it('writes its trajectory as JSON lines', async () => {
    const path = join(folder, 'run.jsonl')
    const lines = () =>
      readFileSync(path, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
    const { small, plan, analysis } = await sparsify(model, { ...options(), onEvent: jsonLines(path) })
    const kinds = [
      'analysis',
      'evaluation',
      'plan',
      'settings',
      'epoch',
      'regularizer',
      'evaluation',
      'cutting',
      'cut',
      'evaluation',
    ]
    expect(lines().map(({ kind }) => kind)).toEqual(kinds)
    const [first, , planned, settled, epoch, regularizer] = lines()
    expect(settled.settings).toMatchObject({
      loss: 'cross-entropy',
      sparse: { epochs: 1, batchSize: 64 },
      finetune: null,
    })
    expect(first.groups).toHaveLength(analysis.groups.length)
    expect(planned).toMatchObject({ removed: plan.removed, macs: plan.macs, params: plan.params })
    expect(epoch).toMatchObject({ epoch: 1, iteration: 17, lr: 0.01, trainingSeconds: expect.any(Number) })
    expect(regularizer.groups[plan.removed[0]!.group]).toMatchObject({
      reg: [0, expect.any(Number), expect.any(Number), expect.any(Number), expect.any(Number)],
      ratio: expect.any(Number),
      overlap: expect.any(Number),
    })
    const more = jsonLines(path, { append: true, batches: true })
    more({ kind: 'batch', phase: 'sparse', epoch: 1, epochs: 1, iteration: 1, iterations: 1, loss: 0.5, lr: 0.1 })
    expect(lines()).toHaveLength(kinds.length + 1)
    expect(lines().at(-1)).toMatchObject({ kind: 'batch', loss: 0.5, seconds: expect.any(Number) })
    expect(() => jsonLines(join(folder, 'missing', 'run.jsonl'))).toThrow(
      expect.objectContaining({ code: 'ERR_WRITE', message: expect.stringContaining('ENOENT') }),
    )
    small.dispose()
  })

  it('refuses a budget that can’t be met before it trains, and says the best possible', async () => {
    const records: RunEvent[] = []
    const job = sparsify(model, { ...options({ budget: { macs: 0.001 } }), onEvent: (record) => records.push(record) })
    await expect(job).rejects.toMatchObject({ code: 'ERR_BUDGET', message: expect.stringMatching(/\d/) })
    expect(records.some(({ kind }) => kind === 'batch')).toBe(false)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('refuses weights with %s and names the parameter', async (bad) => {
    const broken = await model.clone()
    const [name, weight] = [...broken.parameters()].find(([n]) => n.includes('conv') && n.endsWith('weight'))!
    const values = weight.data() as Float32Array
    values[0] = bad
    const { run } = await import('espalier/torch')
    await run([{ op: 'aten::copy_', args: [weight, Tensor.from(values, weight.shape)] }], { returns: [] })
    const refusal = { code: 'ERR_NOT_FINITE', message: expect.stringContaining(name) }
    await expect(sparsify(broken, options())).rejects.toMatchObject(refusal)
    await expect(prune(broken, { inputs: [x] })).rejects.toMatchObject(refusal)
    broken.dispose()
  })

  it.each([
    ['shape', () => Tensor.zeros([1, 3, 8, 8])],
    ['dtype', () => Tensor.zeros([1, 1, 8, 8], { dtype: 'int64' })],
  ])('refuses an example input of a wrong %s', async (_, wrong) => {
    await expect(sparsify(model, options({ inputs: [wrong()] }))).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(TORCH|INVALID_ARGUMENT)$/),
    })
  })

  it('can be cancelled in the middle of training: nothing is lost, and the process goes on', async () => {
    const controller = new AbortController()
    const job = sparsify(model, {
      ...options({ signal: controller.signal }),
      onEvent: (record) => {
        if (record.kind === 'batch' && record.iteration === 3) controller.abort()
      },
    })
    await expect(job).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(fingerprint(model)).toBe(before)
    const { small } = await prune(model, { inputs: [x], ratio: 0.5 })
    small.dispose()
  })
})

describe('a run', () => {
  it('keeps what it has when it is cancelled', async () => {
    const controller = new AbortController()
    const run = new Run(model, options({ signal: controller.signal }))
    let steps = 0
    const reading = (async () => {
      for await (const { kind } of run) if (kind === 'batch' && ++steps === 5) controller.abort()
    })()
    await expect(reading).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(steps).toBe(5)
    expect(() => run.result).toThrow()
    expect(fingerprint(run.model!)).not.toBe(before)
    const output = await run.model!.forward(x)
    expect((output as Tensor).shape).toEqual([1, 10])
    run.model!.dispose()
  })
})

describe('prune', () => {
  it('cuts in one shot by ratio, and leaves the model as it was', async () => {
    const { small, plan } = await prune(model, { inputs: [x], ratio: 0.5 })
    for (const { group, units } of plan.removed) expect(units.length, `group ${group}`).toBeGreaterThan(0)
    expect(plan.params[1]).toBeLessThan(plan.params[0] / 2)
    expect(fingerprint(model)).toBe(before)
    small.dispose()
  })

  it.each([-0.1, 1, Number.NaN])('refuses the ratio %d', async (ratio) => {
    await expect(prune(model, { inputs: [x], ratio })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })
})
