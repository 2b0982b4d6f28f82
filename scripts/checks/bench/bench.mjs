// How long record + analysis + groups take, in units of one eager forward of the same network by plain PyTorch, and how long the
// scores of all units, in units of one read of all weights (their sums, one thread): measured in turns in one run, so that machine and
// load are the same for both.
//
//   npm run bench -- [--rounds 40] [--json FILE]

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { criteria, groupL2, load, setThreads, Tensor } from 'espalier'
import { analyse, weightsOf } from 'espalier/analysis'
import { run } from 'espalier/torch'
import { ms, startPython, summary } from './support.mjs'

/** What a pass of record, analysis and groups may cost, in eager forwards. */
const AIMS = { resnet50: 0.14, vit_b_16: 0.14 }
/** What the scores of all units may cost, in reads of all weights. */
const SCORES_AIM = 3
const CRITERIA = {
  groupL2: groupL2(),
  lamp: criteria.lamp(),
  'lp:p=1,reduction=max': criteria.lp({ p: 1, reduction: 'max' }),
}
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

/** Scores against reads. @param {import('espalier').ScriptModule} model @param {Tensor} x */
async function scoring(model, x) {
  const recording = await model.record([x])
  const groups = analyse(recording.record)
  recording.dispose()
  const sums = [...model.parameters().values()].map((weight) => ({ op: 'aten::sum', args: [weight] }))
  const read = () => run(sums, { returns: [] })
  const measured = []
  for (const [name, criterion] of Object.entries(CRITERIA)) {
    const score = () => criterion({ groups, weights: weightsOf(model) })
    const [own, reads] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])]
    for (let k = 0; k < rounds + 3; k++) {
      for (const [times, work] of /** @type {const} */ ([
        [own, score],
        [reads, read],
      ])) {
        const start = performance.now()
        await work()
        // The first ones warm up.
        if (k >= 3) times.push(performance.now() - start)
      }
    }
    const [a, b] = [summary(own), summary(reads)]
    measured.push({ name, own: a, read: b, ratio: { min: a.min / b.min, median: a.median / b.median } })
  }
  return measured
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
    const scores = await scoring(model, x)
    results.push({ name, first: first.time, own: a, eager: b, ratio, memory: grown, onShapes: !first.executed, scores })
    const aim = AIMS[/** @type {'resnet50'} */ (name)]
    console.log(
      `${name.padEnd(13)} first ${ms(first.time)}; warm min ${ms(a.min)}, median ${ms(a.median)}; eager forward min ${ms(b.min)}, ` +
        `median ${ms(b.median)}; ratio min ${ratio.min.toFixed(3)}, median ${ratio.median.toFixed(3)}` +
        `${aim ? ` (aim ${aim})` : ''}, the peer ${PEER[/** @type {'resnet50'} */ (name)]}; ` +
        `${first.groups} groups, ${first.ops} operators, ${first.executed ? 'executed' : 'on shapes'}, +${Math.round(grown / 2 ** 20)} MB`,
    )
    for (const { name, own, read, ratio } of scores) {
      console.log(
        `  scores by ${name}: min ${ms(own.min)}, median ${ms(own.median)}; a read of all weights min ${ms(read.min)}, median ` +
          `${ms(read.median)}; ratio min ${ratio.min.toFixed(2)}, median ${ratio.median.toFixed(2)} (aim ${SCORES_AIM})`,
      )
    }
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
