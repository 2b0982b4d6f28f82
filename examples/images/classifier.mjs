// An image classifier from a folder of pictures: trained from scratch, then made smaller while it is trained on.
//
//   npm install espalier sharp && node images/classifier.mjs

import { adamw, imageFolder, lr, sparsify, Tensor, train } from 'espalier'
import { Network } from '../network.mjs'
import { writePictures } from './pictures.mjs'

await writePictures('photos')
/** Small gray pictures with a digit in their middle: all of each is kept, and nothing is mirrored. */
const options = /** @type {const} */ ({ size: 8, channels: 1, mean: 0.5, std: 0.5, crop: 1 })
const random = /** @type {const} */ ({ transform: 'train', scale: 0.75, flip: false })
const pictures = await imageFolder('photos/train', { ...options, ...random })
const validation = await imageFolder('photos/validation', { ...options, classes: pictures.classes })
const data = { train: pictures, validation }
console.log(`${pictures.size} pictures of ${pictures.classes.join(', ')}, and ${validation.size} to measure on`)

const model = await network()
const phase = { epochs: 9, optimizer: adamw({ lr: 3e-3 }), schedule: lr.cosine({ warmup: 0.1 }) }
for await (const event of train(model, { ...phase, data, loss: 'cross-entropy' })) {
  if (event.kind === 'epoch') console.log(`epoch ${event.epoch}: accuracy ${event.validation?.accuracy?.toFixed(4)}`)
}
await model.save('classifier.pt')

const { small, plan, evaluations } = await sparsify(model, {
  inputs: [Tensor.zeros([1, 1, 8, 8])],
  data,
  budget: { macs: 0.5 },
  // Without these it finds a learning rate, and takes longer: 500 steps, and 333 of fine-tuning.
  sparse: { epochs: 10, optimizer: adamw({ lr: 2e-3 }) },
  finetune: { epochs: 4, optimizer: adamw({ lr: 2e-3 }) },
})
await small.save('classifier-small.pt')
for (const [stage, { accuracy }] of Object.entries(evaluations))
  console.log(`${stage}: accuracy ${accuracy?.toFixed(4)}`)
console.log(`MACs: ${plan.macs.join(' -> ')}`)

/** Three convolutions, the last two beside a shortcut. */
function network() {
  const net = new Network(1)
  /** @param {string} x @param {string} name @param {number} out @param {number} inputs */
  const layer = (x, name, out, inputs, stride = 1) =>
    net.batchNorm(net.conv(x, `${name}.conv`, out, inputs, 3, { stride, bias: false }), `${name}.bn`, out)
  net.add(`x = torch.relu(${layer('x', 'stem', 16, 1)})`)
  net.add(`x = torch.relu(${layer('x', 'down', 32, 16, 2)})`)
  net.add(`y = torch.relu(${layer('x', 'block.a', 32, 32)})`)
  net.add(`x = torch.relu(x + ${layer('y', 'block.b', 32, 32)})`)
  return net.model(net.linear('torch.mean(x, [2, 3])', 'head', 10, 32))
}
