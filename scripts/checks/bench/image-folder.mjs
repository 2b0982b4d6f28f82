// Whether training waits for pictures: ResNet-18 at 224 x 224 on a folder of 5,000 JPEG files of 256 x 256, and the memory that they
// take. The same steps on one batch that is in memory tell what decoding costs where both share the cores.
//
//   npm run bench:data -- [--images 5000] [--steps 60] [--batch 32] [--cache 256] [--json FILE] [--quick]
//
// --cache is in MiB. --quick is a short form: 600 pictures and 10 steps. It ends with an error where training waits for 3 % of the time or
// more, or the pictures take more memory than the cache may have and what is in work.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { batches, imageFolder, inMemory, Random, scope, sgd, Tensor } from 'espalier'
import { crossEntropy } from 'espalier/torch'
import sharp from 'sharp'
import { Network } from '../../../examples/network.mjs'
import { summary } from './support.mjs'

/** What training may wait for data, as a part of the time. */
const MOST = 0.03
const MIB = 2 ** 20
const [CLASSES, SIDE, SIZE] = [10, 256, 224]
/** Beside the cache: three batches of pixels and floats, and what sharp, V8 and malloc keep for themselves. */
const IN_WORK = 160 * MIB

const { values } = parseArgs({
  options: {
    images: { type: 'string', default: '5000' },
    steps: { type: 'string', default: '60' },
    batch: { type: 'string', default: '32' },
    cache: { type: 'string', default: '256' },
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
})
const [images, steps] = values.quick ? [600, 10] : [Number(values.images), Number(values.steps)]
const batchSize = Number(values.batch)
// So that the limit is felt in the short form, too.
const cache = values.quick ? 32 * MIB : Number(values.cache) * MIB

/** He et al. 2015, https://arxiv.org/abs/1512.03385, table 1: 18 layers. */
async function resnet18() {
  const net = new Network(1)
  /** @param {string} x @param {string} name @param {number} out @param {number} inputs @param {number} size @param {number} stride */
  const layer = (x, name, out, inputs, size, stride) =>
    net.batchNorm(net.conv(x, `${name}.conv`, out, inputs, size, { stride, bias: false }), `${name}.bn`, out)
  net.add(`x = torch.relu(${layer('x', 'stem', 64, 3, 7, 2)})`)
  net.add('x = torch.max_pool2d(x, [3, 3], [2, 2], [1, 1])')
  let inputs = 64
  for (const [stage, width] of [64, 128, 256, 512].entries()) {
    for (const block of [0, 1]) {
      const [name, stride] = [`layer${stage}.${block}`.replace('.', '_'), stage > 0 && block === 0 ? 2 : 1]
      net.add(`y = torch.relu(${layer('x', `${name}.a`, width, inputs, 3, stride)})`)
      net.add(`y = ${layer('y', `${name}.b`, width, width, 3, 1)}`)
      if (stride > 1) net.add(`x = ${layer('x', `${name}.shortcut`, width, inputs, 1, stride)}`)
      net.add('x = torch.relu(x + y)')
      inputs = width
    }
  }
  net.add('x = torch.flatten(torch.adaptive_avg_pool2d(x, [1, 1]), 1)')
  return await net.model(net.linear('x', 'head', CLASSES, inputs))
}

/** Pictures with shapes and some noise: about as large as photographs of this size. @param {string} folder */
async function writePictures(folder) {
  const random = new Random(1)
  for (let c = 0; c < CLASSES; c++) mkdirSync(join(folder, `class${c}`), { recursive: true })
  for (let k = 0; k < images; k++) {
    const [a, b, c] = [random.uniform(), random.uniform(), random.uniform()]
    const pixels = new Uint8Array(3 * SIDE * SIDE)
    for (let at = 0; at < pixels.length; at++) {
      const [x, y] = [((at / 3) | 0) % SIDE, (at / 3 / SIDE) | 0]
      const wave = Math.sin((x * a + y * b) / 9 + (at % 3)) + Math.sin((x * c - y * a) / 23)
      pixels[at] = 128 + 45 * wave + 12 * (random.uniform() - 0.5)
    }
    const raw = { width: SIDE, height: SIDE, channels: /** @type {const} */ (3) }
    await sharp(pixels, { raw })
      .jpeg()
      .toFile(join(folder, `class${k % CLASSES}`, `${k}.jpg`))
  }
}

/**
 * Steps of a training as `train` makes them, and the time between the end of one and the start of the next.
 * @param {import('espalier').ScriptModule} model @param {import('espalier').Dataset} data @param {number} most
 */
async function trained(model, data, most) {
  const optimizer = sgd({ lr: 0.01 }).bind(model.parameters())
  const random = new Random(1)
  const [waits, times] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])]
  const start = performance.now()
  let ended = start
  model.train()
  while (times.length < most) {
    for await (const { inputs, targets } of batches(data, { batchSize, random, dropLast: true })) {
      const begun = performance.now()
      waits.push(begun - ended)
      await scope(async () => {
        const output = /** @type {import('espalier').Tensor} */ (await model.forward(...inputs))
        const loss = await crossEntropy(output, /** @type {import('espalier').Tensor} */ (targets))
        await loss.backward()
        await optimizer.step()
        optimizer.zeroGrad()
      })
      ended = performance.now()
      times.push(ended - begun)
      if (times.length === most) break
    }
  }
  optimizer.dispose()
  const sum = waits.reduce((a, b) => a + b, 0)
  return { total: ended - start, waiting: sum, first: waits[0] ?? 0, waits, times }
}

/** Largest resident memory while work is done, in bytes. @template T @param {() => Promise<T>} work */
async function watched(work) {
  let most = process.memoryUsage.rss()
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
  }, 20)
  try {
    const result = await work()
    return { result, most: Math.max(most, process.memoryUsage.rss()) }
  } finally {
    clearInterval(timer)
  }
}

const folder = mkdtempSync(join(tmpdir(), 'espalier-bench-'))
try {
  console.log(`writing ${images} JPEG files of ${SIDE} x ${SIDE} …`)
  await writePictures(folder)
  const options = { size: SIZE, transform: /** @type {const} */ ('train'), cache }
  const data = await imageFolder(folder, options)

  console.log('reading all of them, without training …')
  // What the first pictures load, libvips and LibTorch, is no memory of the data.
  Tensor.zeros([batchSize, 3, SIZE, SIZE]).dispose()
  await data.batch(Int32Array.from({ length: batchSize }, (_, k) => k))
  const before = process.memoryUsage.rss()
  const fresh = await imageFolder(folder, options)
  const read = await watched(async () => {
    const start = performance.now()
    for await (const _ of batches(fresh, { batchSize, random: new Random(2) })) {
      // Only the time and the memory count.
    }
    return performance.now() - start
  })
  const grown = read.most - before
  const perImage = read.result / images

  const model = await resnet18()
  const { inputs, targets } = await data.batch(Int32Array.from({ length: batchSize }, (_, k) => k))
  const one = inMemory(inputs, targets)
  console.log('training …')
  await trained(model, one, 2)
  // In turns: the machine and its load are the same for both.
  const turns = 2
  const [own, plain] = [[], []].map(() => /** @type {Awaited<ReturnType<typeof trained>>[]} */ ([]))
  for (let k = 0; k < turns; k++) {
    plain?.push(await trained(model, one, Math.ceil(steps / turns / 3)))
    own?.push(await trained(model, data, Math.ceil(steps / turns)))
  }
  model.dispose()

  const of = (/** @type {typeof own} */ runs = []) => {
    const total = runs.reduce((sum, run) => sum + run.total, 0)
    const waiting = runs.reduce((sum, run) => sum + run.waiting, 0)
    return {
      total,
      waiting,
      part: waiting / total,
      times: summary(runs.flatMap((run) => run.times)),
      waits: summary(runs.flatMap((run) => run.waits)),
    }
  }
  const [withPictures, fromMemory] = [of(own), of(plain)]
  const facts = {
    ...{ images, batchSize, cache, grown, perImage, part: withPictures.part, waits: withPictures.waits },
    ...{ step: withPictures.times, stepFromMemory: fromMemory.times },
  }
  const round = (/** @type {number} */ x) => Math.round(x)
  console.log(`a picture is read in ${perImage.toFixed(1)} ms (all ${images} in ${(read.result / 1000).toFixed(1)} s)`)
  console.log(`memory grows by ${round(grown / MIB)} MiB; the cache may have ${round(cache / MIB)} MiB`)
  console.log(
    `a step of ${batchSize}: ${round(withPictures.times.median)} ms, from memory ${round(fromMemory.times.median)} ms (medians)`,
  )
  console.log(
    `training waits for ${(100 * withPictures.part).toFixed(2)} % of the time; between two steps ${withPictures.waits.median.toFixed(1)} ms (median)`,
  )
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(facts)}\n`)
  const faults = [
    ...(withPictures.part >= MOST ? [`training waits for ${100 * MOST} % of the time or more`] : []),
    ...(grown > cache + IN_WORK ? ['the pictures take more memory than they may'] : []),
  ]
  for (const fault of faults) console.log(`NOT reached: ${fault}`)
  if (faults.length > 0) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
