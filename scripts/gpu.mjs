// What only a GPU can show: the CUDA operators against those of the CPU, a training with a growing penalty on the device,
// and the time of a step. Without a GPU it says why it does nothing.
//
//   LIBTORCH=<site-packages>/torch npm run test:gpu

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildExamples, buildTypescript } from './typescript.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const libtorch = process.env.LIBTORCH

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
  if (!existsSync(join(root, 'build/Release/libespalier_cuda-2.14.so')))
    return 'the CUDA library is not built: npm run build:cuda'
  return undefined
}

/** @param {string} libtorch */
async function check(libtorch) {
  await buildTypescript(root)
  await buildExamples(root)
  console.log(execFileSync('nvidia-smi', ['-L'], { encoding: 'utf8' }).trim())
  await compareOperators(libtorch)
  const { accuracy, milliseconds } = await trainAndCut()
  console.log('accuracy of a training on the device, before and right after the cut:', accuracy)
  console.log(`reg_apply_ over 26.2 M parameters, with a read of 4 MB: ${milliseconds.toFixed(3)} ms (min of 20)`)
}

/** The interpreter of the environment that the LibTorch is in. @param {string} libtorch */
async function compareOperators(libtorch) {
  const python = join(libtorch, '../../../../bin/python')
  const libraries = ['ops', 'cuda'].map((kind) => join(root, `build/Release/libespalier_${kind}-2.14.so`))
  const args = ['-W', 'ignore', join(root, 'test/kernels/glue.py'), ...libraries, 'cuda']
  const text = execFileSync(python, args, { encoding: 'utf8' })
  const { errors, called } = JSON.parse(/** @type {string} */ (text.trim().split('\n').at(-1)))
  console.log('errors against the CPU, 1 is what rounding can make:', errors)
  console.log('a repeated step calls:', called)
  for (const [name, error] of Object.entries(errors)) {
    if (!(error < 1)) throw new Error(`${name} differs: ${error}`)
  }
}

async function trainAndCut() {
  const espalier = await import('espalier')
  const { dataFile, digits } = await import(pathToFileURL(join(root, 'build/examples/digits.js')).href)
  const model = await (await espalier.load(dataFile('resnet8.script.pt'))).to('cuda:0')
  const { train, validation } = digits()
  const { small, evaluations } = await espalier.sparsify(model, {
    exampleInputs: [espalier.Tensor.zeros([1, 1, 8, 8]).to('cuda:0')],
    data: { train, validation },
    loss: 'cross-entropy',
    budget: { macs: 0.5 },
    regularizer: espalier.growing({ target: 'plan', reg: 0, deltaReg: 0.3, updateEvery: 5 }),
    sparse: { epochs: 15, optimizer: espalier.sgd({ lr: 0.02, momentum: 0.9 }) },
  })
  small.dispose()
  const accuracy = [evaluations.regularized?.accuracy, evaluations.cut?.accuracy]
  return { accuracy, milliseconds: await timeOfApply(espalier) }
}

/** 25 weights of a million elements each, penalised by row. @param {typeof import('espalier')} espalier */
async function timeOfApply({ call, Tensor }) {
  const weights = Array.from({ length: 25 }, () => Tensor.full([1024, 1024], 1).to('cuda:0'))
  const gradients = weights.map(() => Tensor.zeros([1024, 1024]).to('cuda:0'))
  const coefficients = Tensor.full([1024], 0.1).to('cuda:0')
  const layout = Tensor.from(BigInt64Array.from(weights.flatMap(() => [1024n, 1024n, 0n, -1n])), [25, 4])
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 20; round++) {
    const start = performance.now()
    call('espalier::reg_apply_', [gradients, weights, layout, coefficients, 1], { noGrad: true })
    gradients[24]?.data() // waits for the device
    least = Math.min(least, performance.now() - start)
  }
  return least
}
