// What only a GPU can show: the CUDA operators against those of the CPU, in a CUDA graph, on a stream of their own and by
// the clock; models on the device against the same on the CPU; a training with a growing penalty there. Without a GPU it
// says why it does nothing.
//
//   LIBTORCH=<site-packages>/torch npm run test:gpu -- [--python FILE] [--corpus DIR] [--json FILE] [--parts steps,training]

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { minorOfHeaders } from '../../setup/headers.mjs'
import { buildExamples, buildTypescript } from '../../setup/typescript.mjs'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const libtorch = process.env.LIBTORCH
const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    corpus: { type: 'string' },
    json: { type: 'string' },
    parts: { type: 'string' },
  },
})

const reason = whyNot()
if (reason === undefined) await check(/** @type {string} */ (libtorch))
else console.log(`test:gpu: skipped, ${reason}`)

/** @returns {string | undefined} */
function whyNot() {
  const devices = spawnSync('nvidia-smi', ['-L'], { encoding: 'utf8' })
  if (devices.status !== 0) return 'there is no GPU here (nvidia-smi -L names none)'
  if (libtorch === undefined || !existsSync(join(libtorch, 'lib/libtorch_cuda.so'))) {
    return 'LIBTORCH does not name a CUDA LibTorch'
  }
  if (!existsSync(library(libtorch, 'cuda'))) return 'the CUDA library is not built: npm run build:cuda'
  return undefined
}

/** Ours of one kind for that LibTorch. @param {string} libtorch @param {string} kind */
function library(libtorch, kind) {
  return join(root, `build/Release/libespalier_${kind}-${minorOfHeaders(libtorch)}.so`)
}

/** @param {string} libtorch */
async function check(libtorch) {
  await buildTypescript(root)
  await buildExamples(root)
  console.log(execFileSync('nvidia-smi', ['-L'], { encoding: 'utf8' }).trim())
  /** @type {Record<string, unknown>} */
  const found = {}
  /** @type {[name: string, part: () => unknown][]} */
  const parts = [
    ['operators', () => compareOperators(libtorch)],
    ['device', () => measureDevice(libtorch)],
    ['training', trainAndCut],
    ['refusals', refuseWhatIsBroken],
    ['steps', () => timeSteps(libtorch)],
    ['models', checkCorpus],
  ]
  const wanted = values.parts?.split(',')
  for (const [name, part] of parts) {
    if (wanted !== undefined && !wanted.includes(name)) continue
    try {
      found[name] = await part()
    } catch (error) {
      console.log(`${name}: FAILED ${error}`)
      process.exitCode = 1
    }
  }
  if (values.json) writeFileSync(values.json, JSON.stringify(found, null, 1))
}

/** Runs a program with the interpreter of the environment that the LibTorch is in. @param {string} libtorch @param {string[]} args */
function python(libtorch, args) {
  const interpreter = values.python ?? join(libtorch, '../../../../bin/python')
  const text = execFileSync(interpreter, ['-W', 'ignore', ...args], { encoding: 'utf8', maxBuffer: 1 << 26 })
  return JSON.parse(/** @type {string} */ (text.trim().split('\n').at(-1)))
}

/** @param {string} libtorch */
function compareOperators(libtorch) {
  const libraries = ['ops', 'cuda'].map((kind) => library(libtorch, kind))
  const { errors, called } = python(libtorch, [join(root, 'test/kernels/glue.py'), ...libraries, 'cuda'])
  console.log('errors against the CPU, 1 is what rounding can make:', errors)
  console.log('a repeated step calls:', called)
  for (const [name, error] of Object.entries(errors)) {
    if (!(error < 1)) throw new Error(`${name} differs: ${error}`)
  }
  return { errors, called }
}

/** @param {string} libtorch */
function measureDevice(libtorch) {
  const libraries = ['ops', 'cuda'].map((kind) => library(libtorch, kind))
  const result = python(libtorch, [join(root, 'scripts/checks/gpu/device.py'), ...libraries])
  console.log(`a copy moves ${(result.bandwidth / 1e12).toFixed(2)} TB/s; microseconds, minimum (median):`)
  for (const [name, { own, graph, other, floor, ratio }] of Object.entries(result.times)) {
    const us = (/** @type {{ min: number, median: number }} */ { min, median }) =>
      `${(1e3 * min).toFixed(1)} (${(1e3 * median).toFixed(1)})`
    console.log(
      `  ${name}: ${us(own)}, replayed ${us(graph)}, PyTorch's ${us(other)}, ratio ${ratio.min.toFixed(2)} (${ratio.median.toFixed(2)}), floor ${(1e3 * floor).toFixed(1)}`,
    )
  }
  for (const [name, difference] of Object.entries(result.checks)) {
    if (difference !== 0) throw new Error(`${name}: apart by ${difference}`)
  }
  console.log(
    `the same bits in ${Object.keys(result.checks).length} of ${Object.keys(result.checks).length}: graphs, streams, nothing waits`,
  )
  return result
}

/** The example networks with what `sparsify` does by default, one with labels and one without. */
async function trainAndCut() {
  const { inMemory, load, randomShift, sparsify, Tensor } = await import('espalier')
  const { dataFile, digits } = await import(pathToFileURL(join(root, 'build/examples/digits.js')).href)
  const { train, validation } = digits()
  const { inputs } = await train.batch(Int32Array.from({ length: train.size }, (_, k) => k))
  const cases = {
    'resnet8.script.pt': { train, options: {} },
    'vit.script.pt': {
      train: inMemory(inputs),
      options: /** @type {const} */ ({ teacher: true, loss: 'cross-entropy' }),
    },
  }
  /** @type {Record<string, object>} */
  const found = {}
  for (const [name, { train, options }] of Object.entries(cases)) {
    const start = performance.now()
    const { small, evaluations, plan, held } = await sparsify(await (await load(dataFile(name))).to('cuda:0'), {
      ...options,
      inputs: [Tensor.zeros([1, 1, 8, 8]).to('cuda:0')],
      data: { train, validation },
      budget: { macs: 0.5 },
      augment: randomShift({ pixels: 1, fill: -1 }),
    })
    small.dispose()
    const seconds = (performance.now() - start) / 1e3
    const accuracy = Object.fromEntries(Object.entries(evaluations).map(([stage, { accuracy }]) => [stage, accuracy]))
    found[name] = { accuracy, held, seconds, macs: plan.macs }
    console.log(
      `${name}, trained on the device (${seconds.toFixed(1)} s), MACs ${plan.macs.join(' -> ')}, accuracy:`,
      accuracy,
    )
    const lost = (accuracy.regularized ?? Number.NaN) - (accuracy.cut ?? Number.NaN)
    if (!(lost <= 0.005)) throw new Error(`${name} lost ${lost} at the cut`)
  }
  return found
}

/** What is broken ends a training before it reaches the weights; a wrong label before it ends all work on the device. */
async function refuseWhatIsBroken() {
  const { inMemory, load, sgd, train } = await import('espalier')
  const { dataFile, digits } = await import(pathToFileURL(join(root, 'build/examples/digits.js')).href)
  const { inputs, targets } = await digits().train.batch(Int32Array.from({ length: 64 }, (_, k) => k))
  const withFirst = (/** @type {any} */ { data, shape }, /** @type {number | bigint} */ value) => ({
    data: data.slice().fill(value, 0, 1),
    shape,
  })
  const cases = {
    'the loss is NaN at iteration 1 (epoch 1)': inMemory(withFirst(inputs[0], Number.NaN), targets),
    'a target is 10: the output has 10 classes, 0 to 9': inMemory(inputs, withFirst(targets, 10n)),
  }
  const model = await (await load(dataFile('resnet8.script.pt'))).to('cuda:0')
  const weights = () => JSON.stringify([...model.parameters().values()].map((parameter) => [...parameter.data()]))
  const before = weights()
  for (const [words, data] of Object.entries(cases)) {
    const phase = { epochs: 1, optimizer: sgd({ lr: 0.1, momentum: 0.9 }) }
    let told = ''
    try {
      for await (const _ of train(model, { data: { train: data }, loss: 'cross-entropy', ...phase }));
    } catch (error) {
      told = /** @type {Error} */ (error).message
    }
    if (told !== words) throw new Error(`'${told}' in place of '${words}'`)
    if (weights() !== before) throw new Error(`${words}: the weights have changed`)
  }
  console.log('a NaN and a wrong label are refused before they reach the weights')
}

/** @param {string} libtorch */
async function timeSteps(libtorch) {
  const { timeTraining } = await import('./training.mjs')
  const program = join(root, 'scripts/checks/gpu/training.py')
  const found = await timeTraining((args) => python(libtorch, [program, ...args]), 'cuda:0')
  const ms = (/** @type {number[]} */ times) => `${summary(times).min.toFixed(2)} (${summary(times).median.toFixed(2)})`
  for (const [name, { plain, regularized, pytorch }] of Object.entries(found)) {
    console.log(
      `${name}, milliseconds of a step: ${ms(plain)}, regularized ${ms(regularized)}, PyTorch's ${ms(pytorch)}`,
    )
  }
  return found
}

/** @param {number[]} times */
function summary(times) {
  const sorted = times.toSorted((a, b) => a - b)
  return { min: sorted[0] ?? Number.NaN, median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN }
}

async function checkCorpus() {
  if (values.corpus === undefined) return undefined
  const { checkModels } = await import('./models.mjs')
  const counts = await checkModels(values.corpus, (line) => console.log(`  ${line}`))
  console.log(`models: ${counts.passed} passed, ${counts.failed} failed`)
  if (counts.failed > 0) process.exitCode = 1
  return counts
}
