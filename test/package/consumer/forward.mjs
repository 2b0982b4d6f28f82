// Run in a folder where only the packed package is installed: loads a model, runs it, saves it, loads that and compares.

import { rmSync } from 'node:fs'
import { load, Tensor } from 'espalier'

const input = Tensor.from(
  Float32Array.from({ length: 2 * 64 }, (_, i) => Math.sin(i)),
  [2, 1, 8, 8],
)
const model = (await load(process.argv[2])).eval()
const output = await model.forward(input)
await model.save('copy.pt')
const again = await (await load('copy.pt')).eval().forward(input)
rmSync('copy.pt')

process.stdout.write(
  JSON.stringify({
    shape: output.shape,
    finite: output.data().every(Number.isFinite),
    equal: Buffer.compare(Buffer.from(output.data().buffer), Buffer.from(again.data().buffer)) === 0,
  }),
)
