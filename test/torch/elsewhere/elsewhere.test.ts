// What runs where the tensors are not on the CPU, without a GPU: on a device that keeps them in the CPU's memory (device.cc).

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  adamw,
  bnScale,
  type Dataset,
  type Device,
  expandTensors,
  greg1,
  greg2,
  groupLasso,
  growing,
  load,
  loadLibtorch,
  type ModuleOutput,
  makeManifest,
  prune,
  type RegularizerFactory,
  type ScriptModule,
  type SparsifyOptions,
  scope,
  sgd,
  shrinkTensors,
  sparsify,
  Tensor,
} from 'espalier'
import { call } from 'espalier/torch'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataFile, digits } from '../../../examples/digits.js'
import { libtorchToBuildWith } from '../../../scripts/setup/libtorch.mjs'
import { integers, network, uniform } from '../../support/networks.js'
import { model, numbers, smallInput } from '../support.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'espalier-elsewhere-'))
const THERE: Device = 'mtia:0'

beforeAll(async () => {
  const libtorch = await libtorchToBuildWith(root)
  const library = join(folder, 'device.node')
  const headers = ['include', 'include/torch/csrc/api/include'].map((path) => join(libtorch.root, path))
  const include = [...headers, join(root, 'node_modules/node-api-headers/include')].flatMap((path) => [
    '-isystem',
    path,
  ])
  const flags = ['-std=c++20', '-O0', '-fPIC', '-shared', '-DNDEBUG', '-fvisibility=hidden', '-Wl,-z,nodelete']
  const link = [`-L${libtorch.lib}`, `-Wl,-rpath,${libtorch.lib}`, '-ltorch_cpu', '-lc10', '-o', library]
  const source = join(root, 'test/torch/elsewhere/device.cc')
  const { status, stderr } = spawnSync('g++', [...flags, ...include, source, ...link], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  // First: LibTorch asks only once what devices there are.
  process.dlopen({ exports: {} } as NodeModule, library)
  await loadLibtorch()
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const flat = (output: ModuleOutput): number[][] =>
  output instanceof Tensor ? [numbers(output)] : Object.values(output as object).flatMap(flat)

function expectEqual(output: ModuleOutput, wanted: ModuleOutput, tolerance = 1e-5): void {
  const [got, want] = [flat(output), flat(wanted)]
  expect(got).toHaveLength(want.length)
  got.forEach((values, k) => {
    expect(values).toHaveLength(want[k]!.length)
    for (const [i, value] of values.entries()) expect(Math.abs(value - want[k]![i]!)).toBeLessThan(tolerance)
  })
}

describe('the device of the test', () => {
  it('refuses an operator whose tensors are on several devices', () => {
    const [a, b] = [Tensor.from([1, 2, 3], [3], { device: THERE }), Tensor.from([1, 2, 3], [3])]
    expect(a.device).toBe(THERE)
    expect(numbers(call('aten::add.Tensor', [a, a]) as Tensor)).toEqual([2, 4, 6])
    expect(() => call('aten::add.Tensor', [a, b])).toThrow('Expected all tensors to be on the same device')
  })
})

/** A range and a table that a trace made on the CPU names as being there. */
const TRACED = `
def forward(self, x: Tensor) -> Tensor:
  steps = torch.arange(4, dtype=6, device=torch.device("cpu")).unsqueeze(-1)
  y = torch.relu(torch.linear(x, self.a)) + steps
  return torch.linear(y, self.b)`

/** More than six steps reach beyond the table, which would end a GPU's work. */
const TABLE = `
def forward(self, x: Tensor) -> Tensor:
  place = torch.arange(x.size(1), device=x.device)
  y = torch.relu(torch.linear(x, self.a)) + torch.embedding(self.table, torch.index_select(self.places, 0, place))
  return torch.linear(y, self.b)`

const MODELS: [what: string, make: () => Promise<ScriptModule>, inputs: () => Tensor[]][] = [
  ['a transformer', () => load(model('encoder.trace.pt')), () => [uniform([2, 5, 8])]],
  ['convolutions and norms', () => load(model('small.script.pt')), () => [smallInput()]],
  ['parts that are joined', () => load(model('toy_concat.script.pt')), () => [uniform([2, 3, 8, 8])]],
  [
    'a table that other lengths leave',
    () => network(TABLE, { a: [8, 6], b: [5, 8], table: [6, 8] }, { places: integers([5, 4, 3, 2, 1, 0]) }),
    () => [uniform([2, 4, 6])],
  ],
  ['a trace that names the CPU', () => network(TRACED, { a: [8, 6], b: [5, 8] }), () => [uniform([2, 4, 6])]],
]

describe('a model elsewhere', () => {
  it.each(MODELS)('%s: is cut there as on the CPU, and its file runs on the CPU', async (_, make, inputs) => {
    await scope(async () => {
      const own = await make()
      const x = inputs()
      const moved = x.map((input) => input.to(THERE))
      const there = await own.to(THERE)
      expectEqual(await there.forward(...moved), await own.forward(...x))
      const wanted = await prune(own, { inputs: x, ratio: () => 0.5 })
      const got = await prune(there, { inputs: moved, ratio: () => 0.5 })
      expect(got.plan.params[1]).toBeLessThan(got.plan.params[0])
      expect(got.plan.keep).toEqual(wanted.plan.keep)
      expect(got.small.device).toBe(THERE)
      const back = await load(await got.small.toBuffer(), { device: 'cpu' })
      expectEqual(await back.forward(...x), await wanted.small.forward(...x))
    })
  })

  it('its methods beside forward are cut there as on the CPU', async () => {
    await scope(async () => {
      const own = await load(model('policy.script.pt'))
      const x = uniform([5, 6])
      const there = await own.to(THERE)
      const moved = x.to(THERE)
      const wanted = await prune(own, { inputs: [x], ratio: () => 0.5, methods: { logits: [x], reset: [] } })
      const got = await prune(there, {
        inputs: [moved],
        ratio: () => 0.5,
        methods: { logits: [moved], reset: [] },
      })
      expect(got.plan.params[1]).toBeLessThan(got.plan.params[0])
      expect(got.plan.keep).toEqual(wanted.plan.keep)
      expect(got.interface).toEqual(wanted.interface)
      for (const method of ['logits', 'value', 'forward']) {
        expectEqual(await got.small.callMethod(method, [moved]), await wanted.small.callMethod(method, [x]))
      }
    })
  })
})

const REGULARIZERS: [name: string, make: () => RegularizerFactory][] = [
  ['growing', () => growing({ target: 'plan', reg: 0, deltaReg: 0.3, updateEvery: 5 })],
  ['greg1', () => greg1({ ceiling: 1, updateEvery: 2 })],
  ['greg2', () => greg2({ updateEvery: 1 })],
  ['groupLasso', () => groupLasso({ reg: 1e-3 })],
  ['bnScale', () => bnScale({ reg: 1e-3 })],
]

/** A training amplifies what the devices round differently. */
function doubles() {
  const { train, validation } = digits()
  const wide = (set: Dataset): Dataset => ({
    size: 300,
    batch: async (indices) => {
      const { inputs, targets } = await set.batch(indices)
      return {
        inputs: inputs.map(({ data, shape }) => ({ data: Float64Array.from(data as Float32Array), shape })),
        targets,
      }
    },
  })
  return { train: wide(train), validation: wide(validation) }
}

describe('a training elsewhere', () => {
  const train = async (device: Device, over: Partial<SparsifyOptions> = {}) => {
    const start = await (await (await load(dataFile('resnet8.script.pt'))).to('float64')).to(device)
    return sparsify(start, {
      inputs: [Tensor.zeros([1, 1, 8, 8], { dtype: 'float64', device })],
      data: doubles(),
      loss: 'cross-entropy',
      budget: { macs: 0.5 },
      regularizer: growing({ target: 'plan', reg: 0, deltaReg: 0.3, updateEvery: 5 }),
      sparse: { epochs: 1, batchSize: 100, optimizer: sgd({ lr: 0.02, momentum: 0.9 }) },
      seed: 1,
      ...over,
    })
  }
  const weights = ({ small }: { small: ScriptModule }) =>
    [...small.parameters()].map(([, parameter]) => parameter) as ModuleOutput

  it.each(REGULARIZERS)('under %s gives what it gives on the CPU', async (_, make) => {
    await scope(async () => {
      const [wanted, got] = [await train('cpu', { regularizer: make() }), await train(THERE, { regularizer: make() })]
      expect(got.small.device).toBe(THERE)
      expect(got.plan.keep).toEqual(wanted.plan.keep)
      expectEqual(weights(got), weights(wanted), 1e-7)
      expect(got.evaluations.cut?.accuracy).toBe(wanted.evaluations.cut?.accuracy)
    })
  })

  it('with AdamW, fine-tuning and compensation, too', async () => {
    await scope(async () => {
      const phase = { epochs: 1, batchSize: 100, optimizer: adamw({ lr: 1e-3 }) }
      const over = { sparse: phase, finetune: phase, compensate: true }
      const [wanted, got] = [await train('cpu', over), await train(THERE, over)]
      expectEqual(weights(got), weights(wanted), 1e-6)
    })
  })

  it('goes on from a checkpoint, bit by bit', async () => {
    await scope(async () => {
      const path = join(folder, 'run.ckpt')
      const controller = new AbortController()
      const wanted = await train(THERE)
      const stopped = train(THERE, {
        checkpoint: { path, every: 1 },
        signal: controller.signal,
        onEvent: (record) => {
          if (record.kind === 'batch' && record.iteration === 3) controller.abort()
        },
      } as Partial<SparsifyOptions>)
      await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' })
      const got = await train(THERE, { checkpoint: { path, resume: true } } as Partial<SparsifyOptions>)
      expectEqual(weights(got), weights(wanted), 1e-30)
    })
  })
})

it('tensors are cut and put back where they are', async () => {
  await scope(async () => {
    const x = smallInput().to(THERE)
    const whole = await (await load(model('small.script.pt'))).to(THERE)
    const manifest = makeManifest(await prune(whole, { inputs: [x], ratio: () => 0.5 }))
    const tensors = new Map(whole.parameters())
    const small = shrinkTensors(manifest, tensors)
    const back = expandTensors(manifest, small)
    for (const each of [small, back]) for (const tensor of each.values()) expect(tensor.device).toBe(THERE)
    expectEqual([...shrinkTensors(manifest, back).values()], [...small.values()], 1e-30)
  })
})
