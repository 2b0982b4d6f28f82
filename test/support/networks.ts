import { define, type ScriptModule, Tensor } from 'espalier'
import { Random } from '../../lib/base/random.js'

/** Shapes of tensors by qualified name. */
export type Shapes = Readonly<Record<string, readonly number[]>>

/** A network written as TorchScript, its tensors drawn from a seed; variances and norm weights are positive. */
export function network(source: string, parameters: Shapes, buffers: Readonly<Record<string, Tensor>> = {}) {
  const random = new Random(11)
  return define(source, { parameters: seeded(parameters, random), buffers }) as Promise<ScriptModule>
}

export function seeded(shapes: Shapes, random = new Random(12)): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, uniform(shape, random)]))
}

/** Elements in [-1, 1], of vectors in [0.5, 1.5]. */
export function uniform(shape: readonly number[], random = new Random(13)): Tensor {
  const size = shape.reduce((a, b) => a * b, 1)
  const low = shape.length === 1 ? 0.5 : -1
  const high = shape.length === 1 ? 1.5 : 1
  return Tensor.from(
    Float32Array.from({ length: size }, () => low + (high - low) * random.uniform()),
    shape,
  )
}

export function integers(values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return Tensor.from(BigInt64Array.from(values, BigInt), shape)
}

/** The bytes of a module `x * weight` of which `lines` run while it is loaded, with its saved weight as `state[0]`. */
export async function runsWhenLoaded(weight: Tensor, ...lines: string[]): Promise<Uint8Array> {
  const source = `
def __getstate__(self) -> Tuple[Tensor, bool]:
  return (self.weight, self.training)
def __setstate__(self, state: Tuple[Tensor, bool]) -> None:
  self.weight = state[0]
  self.training = state[1]
${lines.map((line) => `  ${line}`).join('\n')}
def forward(self, x: Tensor) -> Tensor:
  return x * self.weight`
  return (await define(source, { parameters: { weight } })).toBuffer()
}
