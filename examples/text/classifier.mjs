// A text classifier with two inputs, `ids` and `mask`: is a line prose, a declaration of types, or code? The data give the inputs by
// their names.
//
//   npm install espalier && node text/classifier.mjs

import { adamw, inMemory, lr, sparsify, split, Tensor, train } from 'espalier'
import { Network } from '../network.mjs'
import { KINDS, LENGTH, lines } from './lines.mjs'

const { ids, mask, kinds } = lines(1500)
const data = split(inMemory({ mask, ids }, kinds), { validation: 0.2 })

const model = await network()
console.log(`It takes ${model.inputNames().join(' and ')}; ${data.train.size} lines of ${KINDS.join(', ')}`)
const phase = { epochs: 8, optimizer: adamw({ lr: 4e-3 }), schedule: lr.cosine({ warmup: 0.1 }) }
for await (const event of train(model, { ...phase, data, loss: 'cross-entropy' })) {
  if (event.kind === 'epoch') console.log(`epoch ${event.epoch}: accuracy ${event.validation?.accuracy?.toFixed(4)}`)
}
await model.save('text.pt')

const { small, plan, evaluations } = await sparsify(model, {
  inputs: [Tensor.zeros([1, LENGTH], { dtype: 'int64' }), Tensor.full([1, LENGTH], 1)],
  data,
  budget: { macs: 0.4 },
  // Without these it finds a learning rate, and takes longer.
  sparse: { epochs: 5, optimizer: adamw({ lr: 2e-3 }) },
  finetune: { epochs: 3, optimizer: adamw({ lr: 2e-3 }) },
})
await small.save('text-small.pt')
for (const [stage, { accuracy }] of Object.entries(evaluations))
  console.log(`${stage}: accuracy ${accuracy?.toFixed(4)}`)
console.log(`MACs: ${plan.macs.join(' -> ')}`)

/** Bytes beside one another, the mean of those that are of the line, and a hidden layer. */
function network() {
  const [width, wide] = [32, 64]
  const net = new Network(1)
  net.add(`x = torch.embedding(${net.tensor('bytes.weight', [256, width], net.normal(0.1))}, ids)`)
  net.add('there = mask.unsqueeze(1)')
  net.add('x = x.transpose(1, 2) * there')
  const weight = net.tensor('near.weight', [wide, width, 5], net.uniform(5 * width))
  const shift = net.tensor('near.bias', [wide], () => 0)
  net.add(`x = torch.relu(torch.conv1d(x, ${weight}, ${shift}, [1], [2])) * there`)
  net.add('x = torch.sum(x, [2]) / torch.sum(mask, [1], True).clamp(1.0)')
  net.add(`x = torch.relu(${net.linear('x', 'hidden', wide, wide)})`)
  return net.model(net.linear('x', 'head', KINDS.length, wide), ['ids', 'mask'])
}
