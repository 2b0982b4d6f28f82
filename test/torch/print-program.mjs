// What a model prints in a run of its user's is the user's; in Espalier's own runs it is not.
import { define, measureLatency, prune, Tensor } from 'espalier'

const source = `
def forward(self, x: Tensor) -> Tensor:
  print("hello")
  return torch.linear(torch.relu(torch.linear(x, self.a)), self.b)
`
/** @param {number[]} shape */
const filled = (...shape) => {
  const size = shape.reduce((a, b) => a * b)
  return Tensor.from(
    Float32Array.from({ length: size }, (_, i) => Math.sin(1 + i)),
    shape,
  )
}
const model = await define(source, { parameters: { a: filled(8, 6), b: filled(3, 8) } })
const x = filled(5, 6)
console.log('mine')
await model.forward(x)
console.log('quiet')
const { small } = await prune(model, { inputs: [x], ratio: 0.5 })
await measureLatency([model, small], [x], { rounds: 2, warmUp: 1 })
console.log('done')
