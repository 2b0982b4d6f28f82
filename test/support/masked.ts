import { type ScriptModule, Tensor } from 'espalier'
import { run } from 'espalier/torch'
import { numbers } from '../torch/support.js'

/** The model with what the plan removed set to zero: it computes what the small one must. */
export async function masked(network: ScriptModule, keep: Record<string, Record<number, readonly number[]>>) {
  const copy = (await network.clone()).eval()
  for (const [name, dims] of Object.entries(keep)) {
    const tensor = copy.parameters().get(name) ?? copy.buffers().get(name)
    if (tensor === undefined) continue
    const data = numbers(tensor)
    const strides = tensor.shape.map((_, d) => tensor.shape.slice(d + 1).reduce((a, b) => a * b, 1))
    for (const [dim, kept] of Object.entries(dims)) {
      const [stride, size] = [strides[Number(dim)]!, tensor.shape[Number(dim)]!]
      data.forEach((_, i) => {
        if (!kept.includes(Math.floor(i / stride) % size)) data[i] = 0
      })
    }
    await run([{ op: 'aten::copy_', args: [tensor, Tensor.from(Float32Array.from(data), tensor.shape)] }], {
      returns: [],
    })
  }
  return copy
}
