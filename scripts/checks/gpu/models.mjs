// Models on the device against the same models on the CPU: what they compute, what is cut from them there, and what the
// file of the cut computes on the CPU.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load, prune, Tensor } from 'espalier'
import { listCorpus, readInputs } from '../corpus/files.mjs'

/** cuDNN computes convolutions in TF32, with 10 bits behind the point, unless NVIDIA_TF32_OVERRIDE=0 says otherwise. */
const TOLERANCE = process.env.NVIDIA_TF32_OVERRIDE === '0' ? 1e-4 : 1e-2

/**
 * @param {string} corpus a folder in the form of the corpus
 * @param {(line: string) => void} print
 * @returns {Promise<{ passed: number, failed: number }>}
 */
export async function checkModels(corpus, print) {
  const counts = { passed: 0, failed: 0 }
  const out = mkdtempSync(join(tmpdir(), 'espalier-gpu-'))
  try {
    for (const { file, path, io } of listCorpus(corpus)) {
      try {
        print(`${file}: ${await checkModel(path, readInputs(io), join(out, file))}`)
        counts.passed++
      } catch (error) {
        const { code, message, detail } = /** @type {{ code?: string, message: string, detail?: string }} */ (error)
        print(`${file}: FAILED ${code ?? ''} ${message} ${(detail ?? '').slice(0, 300)}`)
        counts.failed++
      }
    }
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
  return counts
}

/** @param {string} path @param {ReturnType<typeof readInputs>} arrays @param {string} to */
async function checkModel(path, arrays, to) {
  const inputs = arrays.map(({ data, shape, dtype }) => Tensor.from(data, shape, { dtype }))
  const model = await load(path)
  const there = await model.to('cuda:0')
  const moved = inputs.map((input) => input.to('cuda:0'))
  const apart = differenceOf(await there.forward(...moved), await model.forward(...inputs))
  if (!(apart < TOLERANCE)) throw new Error(`the device computes something else: ${apart}`)
  const { small, plan } = await prune(there, { inputs: moved, ratio: () => 0.5 })
  await small.save(to)
  const own = differenceOf(await small.forward(...moved), await (await load(to, { device: 'cpu' })).forward(...inputs))
  if (!(own < TOLERANCE)) throw new Error(`the file of the cut computes something else on the CPU: ${own}`)
  const [before, after] = plan.params
  return `CPU and device apart by ${apart.toExponential(1)}, cut ${before} -> ${after}, its file apart by ${own.toExponential(1)}`
}

/** The largest difference, relative to the largest number. @param {unknown} a @param {unknown} b @returns {number} */
function differenceOf(a, b) {
  if (a instanceof Tensor && b instanceof Tensor) {
    const [x, y] = [a, b].map((tensor) =>
      Array.from(/** @type {ArrayLike<number | bigint>} */ (tensor.to('cpu').data()), Number),
    )
    if (x === undefined || y === undefined || x.length !== y.length) return Number.POSITIVE_INFINITY
    const scale = y.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6)
    return x.reduce((most, value, k) => Math.max(most, Math.abs(value - (y[k] ?? Number.NaN)) / scale), 0)
  }
  if (a !== null && typeof a === 'object' && b !== null && typeof b === 'object') {
    const [x, y] = [Object.values(a), Object.values(b)]
    if (x.length !== y.length) return Number.POSITIVE_INFINITY
    return x.reduce((most, value, k) => Math.max(most, differenceOf(value, y[k])), 0)
  }
  return a === b ? 0 : Number.POSITIVE_INFINITY
}
