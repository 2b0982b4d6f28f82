// A user's program, compiled with the strictest options and with the declarations of the packed package.

import { EspalierError, load, loadLibtorch, type ScriptModule, Tensor } from 'espalier'

export async function classify(path: string, pixels: Float32Array): Promise<readonly number[]> {
  const version: string = loadLibtorch({ libtorch: undefined }).version
  console.log(version)
  try {
    const model: ScriptModule = await load(path)
    const output = await model.eval().forward(Tensor.from(pixels, [1, 1, 8, 8]))
    return output instanceof Tensor ? output.shape : []
  } catch (error) {
    if (error instanceof EspalierError && error.code === 'ERR_MODEL_FILE') console.error(error.message, error.hint)
    throw error
  }
}
