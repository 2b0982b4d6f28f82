import { inMemory, load, randomShift, sparsify, Tensor } from 'espalier'
import { percent } from 'espalier/analysis'
import { dataFile, digits } from './digits.js'

const { train, validation } = digits()
// The images alone: nobody says which digit each is.
const { inputs } = await train.batch(Int32Array.from({ length: train.size }, (_, k) => k))
const { small, plan, evaluations } = await sparsify(await load(dataFile('vit.script.pt')), {
  inputs: [Tensor.zeros([1, 1, 8, 8])],
  data: { train: inMemory(inputs), validation },
  teacher: true,
  // The outputs are scores of classes: what the teacher says is softened, not copied number by number.
  loss: 'cross-entropy',
  budget: { macs: 0.5 },
  augment: randomShift({ pixels: 1, fill: -1 }),
})
await small.save('vit-small.pt')
for (const [stage, { accuracy, agreement }] of Object.entries(evaluations)) {
  console.log(`${stage}: accuracy ${percent(accuracy!)}, the teacher's answer in ${percent(agreement!)}`)
}
console.log(`MACs: ${plan.macs.join(' -> ')}`)
