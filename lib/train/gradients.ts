import { run, scope, type Tensor } from '../torch/index.js'

/**
 * Name of the first parameter whose gradient holds a NaN or an infinity; `undefined` when all are finite. One job for all
 * parameters.
 */
export function notFiniteGradient(parameters: ReadonlyMap<string, Tensor>): Promise<string | undefined> {
  return scope(async () => {
    const named = [...parameters].flatMap(([name, { grad }]) => (grad === null ? [] : [{ name, grad }]))
    if (named.length === 0) return undefined
    const [largest] = await run(
      [
        { op: 'aten::_foreach_norm.Scalar', args: [named.map(({ grad }) => grad), Number.POSITIVE_INFINITY] },
        { op: 'aten::stack', args: [{ result: 0 }] },
      ],
      { returns: [1] },
    )
    const values = (largest as Tensor).data() as Float32Array
    return named[values.findIndex((value) => !Number.isFinite(value))]?.name
  })
}
