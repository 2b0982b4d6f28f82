import { load, sgd, sparsify, Tensor } from 'espalier'
import { dataFile, digits } from './digits.js'

const model = await load(dataFile('resnet8.script.pt'))
const x = Tensor.zeros([1, 1, 8, 8])
const { train, validation } = digits()
const { signal } = new AbortController()

const { small, plan, evaluations } = await sparsify(model, {
  inputs: [x],
  data: { train, validation },
  loss: 'cross-entropy',
  budget: { macs: 0.5 },
  sparse: { epochs: 15, optimizer: sgd({ lr: 0.01, momentum: 0.9 }) },
  finetune: { epochs: 12, optimizer: sgd({ lr: 0.02, momentum: 0.9 }) },
  seed: 1,
  signal,
})
await small.save('resnet8-small.pt')
console.log(
  `MACs: ${plan.macs.join(' -> ')}, accuracy: ${evaluations.before?.accuracy} -> ${evaluations.finetuned?.accuracy}`,
)
