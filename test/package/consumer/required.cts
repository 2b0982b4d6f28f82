// A CommonJS program whose imports become require() (nodenext).

import { load, type ScriptModule, Tensor } from 'espalier'
import { softmax } from 'espalier/torch'

export async function classify(path: string): Promise<readonly number[]> {
  const model: ScriptModule = await load(path)
  const output = await model.eval().forward(Tensor.zeros([1, 1, 8, 8]))
  return output instanceof Tensor ? softmax(output, 1).shape : []
}
