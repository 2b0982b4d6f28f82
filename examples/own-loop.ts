import * as espalier from 'espalier'
import { dataFile, digits } from './digits.js'

const { train, validation } = digits()
const model = await espalier.load(dataFile('resnet8.script.pt'))
const x = espalier.Tensor.zeros([1, 1, 8, 8])

const recording = await model.eval().record([x])
const groups = espalier.analyse(recording.record)
const scores = await espalier.groupL2()({ groups, weights: espalier.weightsOf(model) })
const plan = espalier.makePlan(groups, scores, { budget: { macs: 0.5 } })

const epochs = 15
const iterations = epochs * espalier.batchCount(train, 64)
const optimizer = espalier.sgd({ lr: 0.01, momentum: 0.9 }).bind(model.parameters())
const regularizer = await espalier.greg1().attach({ model, groups, removed: plan.removed, iterations })
const random = new espalier.Random(1)
for (let epoch = 1; epoch <= epochs; epoch++) {
  model.train()
  for await (const { inputs, targets } of espalier.batches(train, { batchSize: 64, random })) {
    await espalier.scope(async () => {
      const logits = (await model.forward(...inputs)) as espalier.Tensor
      const loss = await espalier.crossEntropy(logits, targets)
      await loss.backward()
      await regularizer.apply() // the only line that a loop without pruning doesn't have
      await optimizer.step()
      optimizer.zeroGrad()
    })
  }
  const { accuracy } = await espalier.evaluate(model, validation, { loss: 'cross-entropy' })
  console.log(`epoch ${epoch}: ${espalier.percent(accuracy!)}`)
}

const { small } = await espalier.cutAndVerify(model.eval(), recording, groups, plan, [x])
const { accuracy } = await espalier.evaluate(small, validation, { loss: 'cross-entropy' })
console.log(`right after the cut: ${espalier.percent(accuracy!)}`)
await small.save('resnet8-small.pt')
