// A detector with half of its multiply-adds, cut without data: the small file needs no code of ours, in Python either.
//
//   npm install espalier && node detector/prune.mjs

import { load, prune, saveManifest, Tensor } from 'espalier'
import { detector } from './yolo.mjs'

await (await detector()).save('detector.pt')

const model = await load('detector.pt')
const result = await prune(model, { inputs: [Tensor.zeros([1, 3, 160, 160])], budget: { macs: 0.5 } })
await result.small.save('detector-small.pt')
await saveManifest('detector-small.json', result)
console.log(`MACs: ${result.plan.macs.join(' -> ')}, parameters: ${result.plan.params.join(' -> ')}`)

// It takes pictures of other sizes, as before.
for (const side of [160, 224]) {
  const boxes = await result.small.forward(Tensor.zeros([1, 3, side, side]))
  console.log(`${side} x ${side}: ${boxes}`)
}
