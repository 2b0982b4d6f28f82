// How near a budget of latency comes to what was asked for: asked, foretold and real, by network, part, threads and batch.
//
//   npm run bench:latency [-- --quick] [-- --out FILE]
//
// Untrained networks (models.py), so only times count. Each case is a line of FILE (build/latency.jsonl by default); a case
// that is there is not measured again. --quick: MobileNetV2 at half, one thread, a batch of 1.

import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { load, measureLatency, prune, setThreads, Tensor } from 'espalier'
import { formatTable } from 'espalier/analysis'
import { findPython } from '../../setup/python-env.mjs'

const { values } = parseArgs({ options: { quick: { type: 'boolean' }, out: { type: 'string' } } })
const out = values.out ?? fileURLToPath(new URL('../../../build/latency.jsonl', import.meta.url))

const NETWORKS = ['resnet50', 'mobilenet_v2', 'efficientnet_b0', 'vit_b_16', 'convnext_t']
const cases = (values.quick ? ['mobilenet_v2'] : NETWORKS).flatMap((network) =>
  (values.quick ? [0.5] : [0.5, 0.33]).flatMap((part) =>
    (values.quick ? [1] : [1, 2]).flatMap((threads) =>
      (values.quick ? [1] : [1, 8]).map((batch) => ({ network, part, threads, batch })),
    ),
  ),
)

/** @typedef {{ network: string, part: number, threads: number, batch: number }} Case */

/** @param {Case} each */
const nameOf = ({ network, part, threads, batch }) => [network, part, threads, batch].join(' ')

/** @returns {Record<string, any>[]} */
const known = () =>
  existsSync(out)
    ? readFileSync(out, 'utf8')
        .trim()
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
    : []

/** The networks as files. @param {string} folder @param {string[]} names */
async function written(folder, names) {
  const { python, reason } = findPython()
  if (python === undefined) throw new Error(reason)
  const script = fileURLToPath(new URL('models.py', import.meta.url))
  const child = spawn(python, [script, folder, ...names], { stdio: ['ignore', 'inherit', 'inherit'] })
  const status = await new Promise((resolve) => child.once('exit', resolve))
  if (status !== 0) throw new Error(`models.py ended with ${status}`)
}

/** @param {string} folder @param {Case} each */
async function measured(folder, { network, part, threads, batch }) {
  setThreads(threads)
  const model = (await load(join(folder, `${network}.pt`))).eval()
  const input = Tensor.randn([batch, 3, 224, 224])
  const start = performance.now()
  const { small, plan, latency } = await prune(model, { inputs: [input], budget: { latency: part } })
  const seconds = (performance.now() - start) / 1000
  const [before, after] = await measureLatency([model, small], [input], { rounds: 30, warmUp: 3 })
  for (const each of [small, model, input]) each.dispose()
  const macs = plan.macs[1] / plan.macs[0]
  return { network, part, threads, batch, macs, latency, before, after, seconds }
}

const open = cases.filter((each) => !known().some((line) => nameOf(/** @type {Case} */ (line)) === nameOf(each)))
const folder = mkdtempSync(join(tmpdir(), 'espalier-latency-'))
mkdirSync(dirname(out), { recursive: true })
try {
  if (open.length > 0) await written(folder, [...new Set(open.map(({ network }) => network))])
  for (const each of open) {
    /** @type {object} */
    let line
    try {
      line = await measured(folder, each)
    } catch (error) {
      const { code, message } = /** @type {Error & { code?: string }} */ (error)
      if (code !== 'ERR_BUDGET') throw error
      line = { ...each, unreachable: message }
    }
    appendFileSync(out, `${JSON.stringify(line)}\n`)
    console.error(nameOf(each), 'unreachable' in line ? 'can not be reached' : 'done')
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const names = new Set(cases.map(nameOf))
const rows = known().filter((line) => names.has(nameOf(/** @type {Case} */ (line))))
const ratio = (/** @type {number} */ value) => value.toFixed(3)
console.log(
  formatTable(
    ['network', 'batch', 'threads', 'asked', 'foretold', 'real, median', 'real, min', 'MACs', 'trials', 'seconds'].map(
      (title, k) => ({ title, align: k === 0 ? 'left' : 'right' }),
    ),
    rows.map(({ network, batch, threads, part, latency, before, after, macs, seconds, unreachable }) =>
      unreachable !== undefined
        ? [network, batch, threads, part, 'unreachable']
        : [
            ...[network, batch, threads, part, ratio(latency.predicted / latency.real[0])],
            ...[ratio(after.median / before.median), ratio(after.min / before.min)],
            ...[ratio(macs), latency.trials, seconds.toFixed(0)],
          ],
    ),
  ),
)
