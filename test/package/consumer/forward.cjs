// forward.mjs for CommonJS: the package is taken by require().

const { rmSync } = require('node:fs')
const { load, Tensor } = require('espalier')

async function main() {
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
}

main()
