// What the penalty costs: each kernel against what PyTorch needs for the same reads and writes, over the same tensors, on
// one thread, in turns in one run; and in units of an eager forward and backward at batch 1 of the same network.
//
//   npm run bench:kernels -- [--rounds 15] [--json FILE]

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { adamw, growing, load, scope, setThreads, sgd, Tensor } from 'espalier'
import { analyse } from 'espalier/analysis'
import { call, run } from 'espalier/torch'
import { ms, startPython, summary } from './support.mjs'

/** What each may cost: in units of the other side, and of a forward and backward. */
const AIMS = {
  apply: { ratio: 1.15, backward: { resnet50: 0.054 } },
  update: { ratio: 1.25, backward: { resnet50: 0.03 } },
  'SGD + reg': { ratio: 1.05 },
  'AdamW + reg': { ratio: 1.05 },
}
/** What the best-known peer needs on ResNet-50, in units of a forward and backward (measured elsewhere). */
const PEER = { apply: 2.15, update: 0.59 }

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' }, json: { type: 'string' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 3)
  throw new Error(`--rounds is a whole number from 3 on, not ${values.rounds}`)

/** A step of PyTorch's own, as one job. @param {import('espalier/torch').OpCall[]} program */
const job = (program) => async () => {
  await run(program, { returns: [] })
}

/**
 * The sides of each comparison, over the same parameters.
 * @param {import('espalier').ScriptModule} model @param {import('espalier').Analysis} groups
 */
async function sides(model, groups) {
  // Nothing grows in the course of the measurement, and what is added is too small to change anything.
  const factory = growing({ reg: 1e-9, deltaReg: 1e-12, updateEvery: 1_000_000 })
  const regularizer = await factory.attach({ model, groups, iterations: 1_000_000 })
  const { term } = regularizer
  if (term === undefined) throw new Error('growing has a term')
  const weights = [...term.layouts.keys()]
  for (const weight of weights)
    weight.grad = /** @type {Tensor} */ (call('aten::zeros_like', [weight], { noGrad: true }))
  const gradients = weights.map((weight) => /** @type {Tensor} */ (weight.grad))
  const zeros = () =>
    weights.map((weight) => /** @type {Tensor} */ (call('aten::zeros_like', [weight], { noGrad: true })))
  const flat = weights.map((weight) => call('aten::view', [weight, [-1]], { noGrad: true }))
  const named = new Map(weights.map((weight, k) => [String(k), weight]))
  const [ownSgd, ownAdamw] = [
    sgd({ lr: 1e-9, momentum: 0.9, weightDecay: 1e-4 }).bind(named),
    adamw({ lr: 1e-9 }).bind(named),
  ]
  const [velocities, means, squares] = [zeros(), zeros(), zeros()]
  const steps = weights.map(() => Tensor.full([], 3))
  return {
    parameters: weights.reduce((sum, { numel }) => sum + numel, 0),
    comparisons: {
      apply: {
        other: 'g.add_(w, alpha)',
        own: () => scope(() => regularizer.apply()),
        theirs: job(weights.map((w, k) => ({ op: 'aten::add_.Tensor', args: [gradients[k], w, 1e-9] }))),
      },
      update: {
        other: 'dot(w, w)',
        own: () => regularizer.update(),
        theirs: job(flat.map((w) => ({ op: 'aten::dot', args: [w, w] }))),
      },
      'SGD + reg': {
        other: '_fused_sgd_',
        own: () => ownSgd.step(term),
        theirs: job([
          { op: 'aten::_fused_sgd_', args: [weights, gradients, velocities, 1e-4, 0.9, 1e-9, 0, false, false, false] },
        ]),
      },
      'AdamW + reg': {
        other: '_fused_adamw_',
        own: () => ownAdamw.step(term),
        theirs: job([
          {
            op: 'aten::_fused_adamw_',
            args: [weights, gradients, means, squares, [], steps, 1e-9, 0.9, 0.999, 1e-2, 1e-8, false, false],
          },
        ]),
      },
    },
  }
}

/** @param {() => Promise<unknown>} work */
async function timed(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

const folder = mkdtempSync(join(tmpdir(), 'espalier-bench-'))
const results = []
try {
  console.log('making the networks …')
  const names = ['resnet50', 'vit_b_16']
  const python = await startPython(folder, ...names)
  setThreads(1)
  for (const name of names) {
    const model = await load(join(folder, `${name}.pt`))
    const recording = await model.record([Tensor.zeros([1, 3, 224, 224])])
    const { parameters, comparisons } = await sides(model, analyse(recording.record))
    const backward = []
    for (let k = 0; k < 5; k++) backward.push(await python.backward(name))
    const unit = summary(backward.slice(2))
    console.log(
      `${name}: ${(parameters / 1e6).toFixed(1)} M penalised parameters; forward and backward min ${ms(unit.min)}, median ${ms(unit.median)}`,
    )
    for (const [what, { other, own, theirs }] of Object.entries(comparisons)) {
      for (let k = 0; k < 2; k++) for (const side of [own, theirs]) await side()
      const [ours, others] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])]
      for (let k = 0; k < rounds; k++) {
        ours.push(await timed(own))
        others.push(await timed(theirs))
      }
      const [a, b] = [summary(ours), summary(others)]
      const ratio = { min: a.min / b.min, median: a.median / b.median }
      const units = { min: a.min / unit.min, median: a.median / unit.median }
      const aims = AIMS[/** @type {'apply'} */ (what)]
      const unitAim = aims.backward?.[/** @type {'resnet50'} */ (name)]
      const peer = name === 'resnet50' ? PEER[/** @type {'apply'} */ (what)] : undefined
      results.push({ name, what, other, own: a, theirs: b, ratio, units, aims })
      console.log(
        `  ${what.padEnd(11)} min ${ms(a.min)}, median ${ms(a.median)}; ${other} min ${ms(b.min)}, median ${ms(b.median)}; ` +
          `ratio min ${ratio.min.toFixed(3)}, median ${ratio.median.toFixed(3)} (aim ${aims.ratio}); ` +
          `${units.min.toFixed(4)} / ${units.median.toFixed(4)} of a forward and backward` +
          `${unitAim ? ` (aim ${unitAim})` : ''}${peer ? `, the peer ${peer}` : ''}`,
      )
    }
    recording.dispose()
    model.dispose()
  }
  python.stop()
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
