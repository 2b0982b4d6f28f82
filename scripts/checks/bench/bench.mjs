// How long record + analysis + groups take, in units of one eager forward of the same network by plain PyTorch, measured in
// turns in one run: machine and load are the same for both.
//
//   npm run bench -- [--rounds 40] [--json FILE]

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { load, setThreads, Tensor } from 'espalier'
import { analyse } from 'espalier/analysis'
import { ms, startPython, summary } from './support.mjs'

/** What a pass of record, analysis and groups may cost, in eager forwards. */
const AIMS = { resnet50: 0.14, vit_b_16: 0.14 }
/** What the best-known peer needs to build and list its groups, in eager forwards of the same networks (measured elsewhere). */
const PEER = { resnet50: 1.42, vit_b_16: 2.2, mobilenet_v2: 2.0 }
const IMAGES = ['resnet50', 'vit_b_16', 'mobilenet_v2']
const SCALING = {
  layers: { names: ['deep_125', 'deep_250', 'deep_500', 'deep_1000'], shape: [1, 3, 8, 8] },
  'blocks of width 4096': { names: ['wide_8', 'wide_16', 'wide_32'], shape: [1, 2, 4096] },
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '40' }, json: { type: 'string' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 3)
  throw new Error(`--rounds is a whole number from 3 on, not ${values.rounds}`)

/** @param {import('espalier').ScriptModule} model @param {Tensor} x */
async function pass(model, x) {
  const start = performance.now()
  const recording = await model.record([x])
  const { groups } = analyse(recording.record)
  const time = performance.now() - start
  const facts = { time, groups: groups.length, ops: recording.record.ops.length, executed: recording.record.executed }
  recording.dispose()
  return facts
}

const folder = mkdtempSync(join(tmpdir(), 'espalier-bench-'))
const results = []
try {
  console.log('making the networks …')
  const python = await startPython(folder)
  setThreads(1)
  for (const name of IMAGES) {
    const model = await load(join(folder, `${name}.pt`))
    const x = Tensor.zeros([1, 3, 224, 224])
    const before = process.memoryUsage().rss
    const first = await pass(model, x)
    const grown = process.memoryUsage().rss - before
    // The compilers of both sides warm up.
    for (let k = 0; k < rounds; k++) await pass(model, x)
    for (let k = 0; k < 3; k++) await python.forward(name)
    const [own, eager] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])]
    for (let k = 0; k < rounds; k++) {
      own.push((await pass(model, x)).time)
      eager.push(await python.forward(name))
    }
    const [a, b] = [summary(own), summary(eager)]
    const ratio = { min: a.min / b.min, median: a.median / b.median }
    results.push({ name, first: first.time, own: a, eager: b, ratio, memory: grown, onShapes: !first.executed })
    const aim = AIMS[/** @type {'resnet50'} */ (name)]
    console.log(
      `${name.padEnd(13)} first ${ms(first.time)}; warm min ${ms(a.min)}, median ${ms(a.median)}; eager forward min ${ms(b.min)}, ` +
        `median ${ms(b.median)}; ratio min ${ratio.min.toFixed(3)}, median ${ratio.median.toFixed(3)}` +
        `${aim ? ` (aim ${aim})` : ''}, the peer ${PEER[/** @type {'resnet50'} */ (name)]}; ` +
        `${first.groups} groups, ${first.ops} operators, ${first.executed ? 'executed' : 'on shapes'}, +${Math.round(grown / 2 ** 20)} MB`,
    )
    model.dispose()
    x.dispose()
  }
  python.stop()
  for (const [unit, { names, shape }] of Object.entries(SCALING)) {
    for (const name of names) {
      const model = await load(join(folder, `${name}.pt`))
      const x = Tensor.zeros(shape)
      const before = process.memoryUsage().rss
      const first = await pass(model, x)
      const grown = process.memoryUsage().rss - before
      const own = []
      for (let k = 0; k < 5; k++) own.push((await pass(model, x)).time)
      const size = Number(name.split('_')[1])
      const { min, median } = summary(own)
      results.push({ name, first: first.time, own: { min, median }, memory: grown, onShapes: !first.executed })
      console.log(
        `${String(size).padStart(4)} ${unit}: first ${ms(first.time)}; then min ${ms(min)}, median ${ms(median)}, ` +
          `${(median / size).toFixed(3)} ms each; ${first.groups} groups, +${Math.round(grown / 2 ** 20)} MB`,
      )
      model.dispose()
      x.dispose()
    }
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
