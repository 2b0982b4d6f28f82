// Training for many steps, with batches made anew, checkpoints' bytes and evaluations: the memory stays what it was.

import { runProgram } from './child.mjs'

/** MiB by which the mean of the last quarter may lie above that of the second: what the heap's own shape is worth. */
const A_FEW = 24

/** @param {number} total */
export async function steps(total) {
  const { status, stdout, stderr } = await runProgram(`
    const { load, inMemory, sgd, train, evaluate } = await import(${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).href)})
    const model = await load(${JSON.stringify(new URL('../../../examples/data/resnet8.script.pt', import.meta.url).pathname)})
    const x = { data: new Float32Array(960 * 64), shape: [960, 1, 8, 8] }
    const y = { data: new BigInt64Array(960), shape: [960] }
    const data = { train: inMemory(x, y) }
    const options = { data, loss: 'cross-entropy', optimizer: sgd({ lr: 1e-4, momentum: 0.9 }), epochs: Math.ceil(${total} / 30), batchSize: 32 }
    const sizes = []
    let made = 0
    for await (const record of train(model, options)) {
      if (record.kind === 'batch') {
        made++
        sizes.push(process.memoryUsage.rss() / 2 ** 20)
      } else {
        await evaluate(model, data.train, { loss: 'cross-entropy' })
        await model.toBuffer()
        ;(await model.clone()).dispose()
      }
    }
    const quarter = (k) => {
      const part = sizes.slice((k * made) / 4, ((k + 1) * made) / 4)
      return part.reduce((sum, size) => sum + size, 0) / part.length
    }
    console.log(JSON.stringify({ made, quarters: [0, 1, 2, 3].map((k) => Math.round(quarter(k))) }))`)
  if (status !== 0) throw new Error(`status ${status}\n${stderr}`)
  const { made, quarters } = JSON.parse(stdout)
  const said = `${made} steps, mean RSS by quarter ${quarters.join(', ')} MiB`
  if (quarters[3] > quarters[1] + A_FEW) throw new Error(said)
  return said
}
