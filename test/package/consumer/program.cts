// A CommonJS program where TypeScript takes require() of an ES module for an error (node16): import() instead.

import type { ScriptModule } from 'espalier' with { 'resolution-mode': 'import' }

export async function classify(path: string): Promise<readonly number[]> {
  const { load, Tensor } = await import('espalier')
  const model: ScriptModule = await load(path)
  const output = await model.eval().forward(Tensor.zeros([1, 1, 8, 8]))
  return output instanceof Tensor ? output.shape : []
}
