import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Batch, type Dataset, inMemory, Random, type SparsifyOptions, sparsify } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromJson, toJson } from '../../lib/base/json.js'
import { readEntries, writeEntries } from '../../lib/torch/checkpoint.js'
import { python } from '../support/python.js'

type Data = SparsifyOptions['data']

const program = fileURLToPath(new URL('job.mjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'espalier-checkpoint-'))
afterAll(() => rmSync(folder, { recursive: true }))

const start = (...args: string[]) => spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' })
const file = (name: string) => join(folder, name)

describe('a run that goes on from a checkpoint ends as one that never stopped, bit by bit', {
  timeout: 120_000,
}, () => {
  it.each([
    ...[['greg1', 20] as const, ['greg2', 20] as const, ['growing', 20] as const, ['fading', 20] as const],
    ...[['lasso', 20] as const, ['taught', 20] as const, ['named', 20] as const, ['extended', 28] as const],
    ...[['rounds', 24] as const, ['growing rounds', 20] as const],
  ])('from every step of %s', (name, steps) => {
    const { status, stdout, stderr } = start('every', name, mkdtempSync(file(name)))
    expect(status, stderr).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ steps, bad: [] })
  })

  it('killed at random moments, again and again', async () => {
    const begin = performance.now()
    const wanted = start('run', 'greg1').stdout
    const whole = performance.now() - begin
    const random = new Random(Date.now())
    const path = file('killed.ckpt')
    let kills = 0
    let out = ''
    while (out === '') {
      const child = spawn(process.execPath, [program, 'run', 'greg1', path], { stdio: ['ignore', 'pipe', 'inherit'] })
      let text = ''
      child.stdout.on('data', (part) => {
        text += part
      })
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
      // Later and later, so that it comes to an end at last.
      const killer = new AbortController()
      setTimeout((0.3 + 0.5 * random.uniform() + 0.05 * kills) * whole, undefined, { signal: killer.signal }).then(
        () => child.kill('SIGKILL'),
        () => undefined,
      )
      if ((await ended) === 0) out = text
      else kills++
      killer.abort()
      expect(kills).toBeLessThan(100)
    }
    expect(kills).toBeGreaterThan(0)
    expect(out === wanted).toBe(true)
    // What a kill left half written lies beside it, and is never read.
    expect(readdirSync(folder).filter((name) => name.startsWith('killed.ckpt') && !name.endsWith('.part'))).toEqual([
      'killed.ckpt',
    ])
  })
})

describe('the file', () => {
  const path = file('run.ckpt')
  beforeAll(() => {
    const { status, stderr } = start('run', 'greg1', path)
    expect(status, stderr).toBe(0)
  })

  it.skipIf(python === undefined)('opens with torch.load(weights_only=True); its model with torch.jit.load', () => {
    const script = `
import io, json, sys, torch
entries = torch.load(sys.argv[1], weights_only=True)
model = torch.jit.load(io.BytesIO(entries["model"].numpy().tobytes()))
state = json.loads(entries["state"])
velocity = entries["optimizer/velocity/c1.weight"]
print(json.dumps([sorted(entries), state["schema"], state["phase"], list(velocity.shape), list(model.state_dict()["c1.weight"].shape)]))
`
    const [names, schema, phase, velocity, weight] = JSON.parse(
      execFileSync(python!, ['-W', 'ignore', '-c', script, path], { encoding: 'utf8' }),
    )
    expect(names).toEqual(expect.arrayContaining(['model', 'random/cpu', 'state', 'optimizer/velocity/fc.bias']))
    expect([schema, phase]).toEqual([2, 'finetune'])
    expect(velocity).toEqual(weight)
    expect(velocity[0]).toBeLessThan(12)
  })

  const resumed = async (from: string, over: Partial<SparsifyOptions> = {}) => {
    const espalier = await import('espalier')
    const { job } = await import('./job.mjs')
    const { model, options } = await job(espalier, 'greg1', from, over)
    return sparsify(model, options)
  }
  const givenOptions = async () =>
    (await (await import('./job.mjs')).job(await import('espalier'), 'greg1', path)).options
  const changed = (name: string, change: (bytes: Buffer) => Uint8Array): string => {
    writeFileSync(file(name), change(readFileSync(path)))
    return file(name)
  }

  it.each<[string, () => string, RegExp]>([
    ['is empty', () => changed('empty', () => Buffer.alloc(0)), /the file is empty/],
    ['is text', () => changed('text', () => Buffer.from('nothing')), /not a checkpoint/],
    ['is cut off', () => changed('short', (bytes) => bytes.subarray(0, bytes.length / 2)), /truncated or damaged/],
    [
      'has a flipped bit',
      () => changed('flipped', (bytes) => flip(bytes, bytes.indexOf('"iteration"') + 3)),
      /checksum/,
    ],
    [
      'is a model',
      () => fileURLToPath(new URL('../../examples/data/resnet8.script.pt', import.meta.url)),
      /unknown type/,
    ],
  ])('a file that %s is ERR_CHECKPOINT', async (_what, from, message) => {
    await expect(resumed(from())).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT',
      message: expect.stringMatching(message),
    })
  })

  it.each<[string, (options: SparsifyOptions) => Partial<SparsifyOptions>]>([
    ["'seed' is 3 there, and 4 here", () => ({ seed: 4 })],
    ["'budget.macs' is 0.6 there, and none here", () => ({ budget: { params: 0.5 } })],
    ["'minKeep' is 0.1 there, and 0.2 here", () => ({ minKeep: 0.2 })],
    ["'sparse.microBatches' is 1 there, and 2 here", ({ sparse }) => ({ sparse: { ...sparse, microBatches: 2 } })],
    ["'sparse.clipNorm' is none there, and 5 here", ({ sparse }) => ({ sparse: { ...sparse, clipNorm: 5 } })],
  ])('one of another run is refused, with what differs: %s', async (what, changes) => {
    const espalier = await import('espalier')
    const { options } = await (await import('./job.mjs')).job(espalier, 'greg1', path)
    await expect(resumed(path, changes(options))).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT',
      message: `${path}: it is of another run: ${what}`,
    })
  })

  describe('of other data', () => {
    const elsewhere = (dataset: Dataset, change: (batch: Batch) => void): Dataset => ({
      size: dataset.size,
      async batch(indices) {
        const batch = await dataset.batch(indices)
        change(batch)
        return batch
      },
    })
    /** All examples of a dataset in memory. */
    const held = async (dataset: Dataset, change: (batch: Batch) => void = () => {}): Promise<Dataset> => {
      const whole = await dataset.batch(Int32Array.from({ length: dataset.size }, (_, k) => k))
      change(whole)
      return inMemory(whole.inputs, whole.targets)
    }

    it('with the same examples from other arrays goes on', async () => {
      const { train, validation } = (await givenOptions()).data
      const { small } = await resumed(path, { data: { train: await held(train), validation: await held(validation!) } })
      small.dispose()
    })

    it.each<[string, string, (data: Data) => Promise<Data> | Data]>([
      [
        'with an element that differs',
        'train.source.examples',
        async ({ train, validation }) => ({
          train: await held(train, ({ inputs }) => inputs[0]!.data.fill(0.5 as never, 700, 701)),
          validation,
        }),
      ],
      [
        'with a label that differs',
        'validation.source.examples',
        async ({ train, validation }) => ({
          train,
          validation: await held(validation!, ({ targets }) => targets!.data.fill(11n as never, 3, 4)),
        }),
      ],
      [
        "from a source of the caller's",
        'train.source.name',
        ({ train, validation }) => ({ train: elsewhere(train, () => {}), validation }),
      ],
      ['without validation', 'validation', ({ train }) => ({ train })],
    ])('of the same size, but %s, is refused', async (_what, option, change) => {
      const data = await change((await givenOptions()).data)
      await expect(resumed(path, { data })).rejects.toMatchObject({
        code: 'ERR_CHECKPOINT',
        message: expect.stringContaining(`it is of another run: 'data.${option}' is`),
      })
    })
  })

  describe('of a version that did not know every option', () => {
    type Job = Record<string, Record<string, unknown>>
    /** The checkpoint with another description of its run. */
    const described = async (change: (job: Job) => void): Promise<string> => {
      const entries = await readEntries(path)
      const state = fromJson(entries.state as string) as { job: Job }
      change(state.job)
      const name = file('described.ckpt')
      await writeEntries(name, { ...entries, state: toJson(state) })
      return name
    }
    const givenOptions = async () =>
      (await (await import('./job.mjs')).job(await import('espalier'), 'greg1', path)).options

    it('goes on where those that it lacks are as they are by default', async () => {
      const options = await givenOptions()
      const lacking: string[] = []
      const from = await described((job) => {
        const drop = (part: Record<string, unknown>, known: object, where: string) => {
          for (const key of Object.keys(part).filter((key) => !(key in known))) {
            delete part[key]
            lacking.push(where + key)
          }
        }
        drop(job, { model: 0, ...options }, '')
        drop(job.sparse!, options.sparse!, 'sparse.')
        drop(job.finetune!, options.finetune as object, 'finetune.')
      })
      expect(lacking).toEqual(
        expect.arrayContaining(['minKeep', 'importance', 'sparse.lossScale', 'finetune.schedule']),
      )
      // Before there was a choice, norms computed over what is kept.
      const { small } = await resumed(from, { norms: 'kept' })
      small.dispose()
    })

    it.each<[string, (job: Job) => void]>([
      ["'sparse.batchSize' is 64 there, and 56 here", ({ sparse }) => delete sparse!.batchSize],
      ['\'norms\' is "kept" there, and "exact" here', (job) => delete job.norms],
      ["'seed' is 0 there, and 3 here", (job) => delete job.seed],
      ["'augment' is none there, and", (job) => delete job.augment],
      ["'budget.macs' is none there, and 0.6 here", ({ budget }) => delete budget!.macs],
    ])('is refused where they are not: %s', async (what, change) => {
      await expect(resumed(await described(change))).rejects.toMatchObject({
        code: 'ERR_CHECKPOINT',
        message: expect.stringContaining(`it is of another run: ${what}`),
      })
    })

    it('goes on where it says none of what is missing here', async () => {
      const { small } = await resumed(await described(({ budget }) => Object.assign(budget!, { params: null })))
      small.dispose()
    })
  })

  it('without resume, or without a file, a run starts afresh', async () => {
    const own = file('fresh.ckpt')
    expect(existsSync(own)).toBe(false)
    const kinds: string[] = []
    const { small } = await resumed(own, { onEvent: (record) => kinds.push(record.kind) })
    small.dispose()
    expect(kinds.filter((kind) => kind === 'batch')).toHaveLength(20)
    expect(existsSync(own)).toBe(true)
  })

  it('a place that can not be written is ERR_WRITE, and the run says so at once', async () => {
    const own = file('missing-folder/run.ckpt')
    await expect(resumed(own)).rejects.toMatchObject({ code: 'ERR_WRITE' })
  })
})

function flip(bytes: Buffer, at: number): Buffer {
  expect(at).toBeGreaterThan(3)
  bytes[at]! ^= 1
  return bytes
}
