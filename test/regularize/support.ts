import type { Regularizer, RegularizerContext } from '../../lib/regularize/index.js'
import { Tensor } from '../../lib/torch/index.js'
import { handMade } from '../support/analysis.js'

export const disposables: { dispose(): void }[] = []
export function dispose(): void {
  for (const garbage of disposables.splice(0)) garbage.dispose()
}

export const gradientOf = (parameter: Tensor | undefined) => parameter?.grad?.data() as Float32Array

/** One group of two units: rows of `a` with its bias, columns of `b`. */
export function small() {
  const tensor = (values: number[], shape: number[]) => {
    const parameter = Tensor.from(Float32Array.from(values), shape, { requiresGrad: true })
    disposables.push(parameter)
    return parameter
  }
  const parameters = new Map([
    ['a.weight', tensor([1, 2, 3, 4], [2, 2])],
    ['a.bias', tensor([5, 6], [2])],
    ['b.weight', tensor([7, 8], [1, 2])],
  ])
  const member = (name: string, use: 'output' | 'bias' | 'input', dim: number) => ({
    ...{ name, use, dim, size: 2, role: 'parameter' as const },
    ...{ coords: Int32Array.of(0, 1), units: Int32Array.of(0, 1) },
  })
  const groups = handMade({
    groups: [
      {
        ...{ id: 0, kind: 'channels', size: 2, exact: true, approximation: [], scopes: ['a', 'b'] },
        members: [member('a.weight', 'output', 0), member('a.bias', 'bias', 0), member('b.weight', 'input', 1)],
      },
    ],
    ...{ frozen: [], coverage: 1, topReasons: [] },
  })
  const context: RegularizerContext = { model: { parameters: () => parameters }, groups, iterations: 100 }
  const clear = () => {
    for (const parameter of parameters.values()) parameter.grad = null
  }
  return { parameters, context, clear }
}

export async function attached(regularizer: Promise<Regularizer>): Promise<Regularizer> {
  disposables.push(await regularizer)
  return regularizer
}
