import { batchCount, batches, evaluate, greg1, load, Prunable, Random, scope, sgd, Tensor } from 'espalier'
import { percent } from 'espalier/analysis'
import { crossEntropy } from 'espalier/torch'
import { dataFile, digits } from './digits.js'

const { train, validation } = digits()
const prunable = await Prunable.of(await load(dataFile('resnet8.script.pt')), { inputs: [Tensor.zeros([1, 1, 8, 8])] })
const { model, analysis: groups } = prunable
const plan = prunable.plan(await prunable.score(), { budget: { macs: 0.5 } })

const epochs = 15
const iterations = epochs * batchCount(train, 64)
const optimizer = sgd({ lr: 0.01, momentum: 0.9 }).bind(model.parameters())
const regularizer = await greg1().attach({ model, groups, removed: plan.removed, iterations })
const random = new Random(1)
for (let epoch = 1; epoch <= epochs; epoch++) {
  model.train()
  for await (const { inputs, targets } of batches(train, { batchSize: 64, random })) {
    await scope(async () => {
      const loss = await crossEntropy((await model.forward(...inputs)) as Tensor, targets!)
      await loss.backward()
      await regularizer.apply() // the only line that a loop without pruning doesn't have
      await optimizer.step()
      optimizer.zeroGrad()
    })
  }
  const { accuracy } = await evaluate(model, validation, { loss: 'cross-entropy' })
  console.log(`epoch ${epoch}: ${percent(accuracy!)}`)
}

model.eval()
const { small } = await prunable.cut(plan)
const { accuracy } = await evaluate(small, validation, { loss: 'cross-entropy' })
console.log(`right after the cut: ${percent(accuracy!)}`)
await small.save('resnet8-small.pt')
