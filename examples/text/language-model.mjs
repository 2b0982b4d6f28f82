// A language model over bytes: a decoder that learns from a text which byte comes next, and then does it with half of the multiply-adds.
//
//   npm install espalier && node text/language-model.mjs

import { adamw, lr, sparsify, split, Tensor, tokenFile, train } from 'espalier'
import { Network } from '../network.mjs'
import { writeCorpus } from './corpus.mjs'

const [LENGTH, WIDTH, BLOCKS, BYTES] = [48, 64, 2, 256]

writeCorpus('corpus.txt', 300_000)
const text = await tokenFile('corpus.txt', { length: LENGTH })
const data = split(text, { validation: 0.1 })
console.log(`${data.train.size} windows of ${LENGTH} bytes, and ${data.validation.size} to measure on`)

const model = await decoder()
const phase = { epochs: 4, batchSize: 32, optimizer: adamw({ lr: 4e-3 }), schedule: lr.cosine({ warmup: 0.1 }) }
const metrics = /** @type {const} */ (['perplexity'])
for await (const event of train(model, { ...phase, data, loss: 'cross-entropy', classAxis: -1, metrics })) {
  if (event.kind === 'epoch')
    console.log(`epoch ${event.epoch}: perplexity ${event.validation?.perplexity?.toFixed(2)}`)
}
await model.save('language-model.pt')

const { small, plan, evaluations } = await sparsify(model, {
  inputs: [Tensor.zeros([1, LENGTH], { dtype: 'int64' })],
  data,
  ...{ loss: 'cross-entropy', classAxis: -1, metrics },
  budget: { macs: 0.6 },
  // Without these it finds a learning rate, and takes longer.
  sparse: { epochs: 2, batchSize: 32, optimizer: adamw({ lr: 2e-3 }) },
  finetune: { epochs: 1, batchSize: 32, optimizer: adamw({ lr: 2e-3 }) },
})
await small.save('language-model-small.pt')
for (const [stage, { perplexity }] of Object.entries(evaluations))
  console.log(`${stage}: perplexity ${perplexity?.toFixed(2)}`)
console.log(`MACs: ${plan.macs.join(' -> ')}`)
console.log(`It goes on: ${JSON.stringify(await continued('export function ', 40))}`)

/** Blocks of attention to what was before, and of a hidden layer, as GPT has them. */
function decoder() {
  const net = new Network(1)
  const [bytes, places] = [
    net.tensor('bytes.weight', [BYTES, WIDTH], net.normal(0.1)),
    net.tensor('places.weight', [LENGTH, WIDTH], net.normal(0.1)),
  ]
  net.add(`x = torch.embedding(${bytes}, x) + ${places}`)
  for (let k = 0; k < BLOCKS; k++) {
    net.add(`y = ${net.layerNorm('x', `block${k}.norm1`, WIDTH)}`)
    net.add(`x = x + ${net.attention('y', `block${k}.attention`, WIDTH, 4, true)}`)
    net.add(`y = ${net.layerNorm('x', `block${k}.norm2`, WIDTH)}`)
    net.add(`y = torch.gelu(${net.linear('y', `block${k}.hidden`, 4 * WIDTH, WIDTH)})`)
    net.add(`x = x + ${net.linear('y', `block${k}.out`, WIDTH, 4 * WIDTH)}`)
  }
  return net.model(net.linear(net.layerNorm('x', 'norm', WIDTH), 'head', BYTES, WIDTH))
}

/** What the small model takes for the most likely text. @param {string} start @param {number} count */
async function continued(start, count) {
  const bytes = [...Buffer.from(start)]
  for (let k = 0; k < count; k++) {
    // What is behind the last byte has no part in it: the model looks back only.
    const seen = bytes.slice(-LENGTH)
    const window = [...seen, ...Array(LENGTH - seen.length).fill(0)]
    const output = await small.forward(Tensor.from(BigInt64Array.from(window, BigInt), [1, LENGTH]))
    const all = Array.from(/** @type {Tensor} */ (output).data(), Number)
    const scores = all.slice((seen.length - 1) * BYTES, seen.length * BYTES)
    bytes.push(scores.indexOf(Math.max(...scores)))
  }
  return Buffer.from(bytes).toString()
}
