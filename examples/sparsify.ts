import { load, sparsify, Tensor } from 'espalier'
import { dataFile, digits } from './digits.js'

const model = await load(dataFile('resnet8.script.pt'))
const { small, plan, evaluations, settings } = await sparsify(model, {
  inputs: [Tensor.zeros([1, 1, 8, 8])],
  data: digits(),
  budget: { macs: 0.5 },
})
await small.save('resnet8-small.pt')
console.log(settings)
console.log(
  `MACs: ${plan.macs.join(' -> ')}, accuracy: ${evaluations.before?.accuracy} -> ${evaluations.finetuned?.accuracy}`,
)
