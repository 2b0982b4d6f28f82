import { type OpCall, run, scope, type Tensor } from '../torch/index.js'

type Parameters = ReadonlyMap<string, Tensor>

const gradientsOf = (parameters: Parameters): Tensor[] =>
  [...new Set(parameters.values())].flatMap(({ grad }) => (grad === null ? [] : [grad]))

/** Divides all gradients. */
export async function unscale(parameters: Parameters, scale: number): Promise<void> {
  await scope(async () => {
    const gradients = gradientsOf(parameters)
    if (gradients.length > 0)
      await run([{ op: 'aten::_foreach_mul_.Scalar', args: [gradients, 1 / scale] }], { returns: [] })
  })
}

/** Scales all gradients so that their L2 norm together is at most `most`. */
export async function clip(parameters: Parameters, most: number): Promise<void> {
  await scope(async () => {
    const gradients = gradientsOf(parameters)
    if (gradients.length === 0) return
    const [total] = await run(
      [
        { op: 'aten::_foreach_norm.Scalar', args: [gradients, 2] },
        { op: 'aten::stack', args: [{ result: 0 }] },
        { op: 'aten::norm.Scalar', args: [{ result: 1 }, 2] },
      ],
      { returns: [2] },
    )
    const norm = (total as Tensor).item()
    if (norm <= most) return
    await run([{ op: 'aten::_foreach_mul_.Scalar', args: [gradients, most / norm] }], { returns: [] })
  })
}

/** In the message of {@link finite} where something isn't. */
export const NOT_FINITE = 'is not finite'

/**
 * The call that gives losses as numbers on the CPU, and throws where one of them or a gradient holds a NaN or an infinity: the calls after
 * it in its program are then not made. It is the one thing in a step that waits for the device.
 */
export const finite = (losses: readonly Tensor[], parameters: Parameters): OpCall => ({
  op: 'espalier::finite',
  args: [losses, [...new Set(parameters.values())]],
})

/** Name of the first parameter whose gradient holds a NaN or an infinity; `undefined` when all are finite. */
export const notFiniteGradient = (parameters: Parameters): Promise<string | undefined> =>
  firstNotFinite(parameters, ({ grad }) => grad)

/** Name of the first parameter in training that holds a NaN or an infinity itself; `undefined` when all are finite. */
export const notFiniteParameter = (parameters: Parameters): Promise<string | undefined> =>
  firstNotFinite(parameters, (parameter) => (parameter.requiresGrad && parameter.numel > 0 ? parameter : null))

function firstNotFinite(parameters: Parameters, of: (parameter: Tensor) => Tensor | null): Promise<string | undefined> {
  return scope(async () => {
    const named = [...parameters].flatMap(([name, parameter]) => {
      const values = of(parameter)
      return values === null ? [] : [{ name, values }]
    })
    if (named.length === 0) return undefined
    const [largest] = await run(
      [
        { op: 'aten::_foreach_norm.Scalar', args: [named.map(({ values }) => values), Number.POSITIVE_INFINITY] },
        { op: 'aten::stack', args: [{ result: 0 }] },
      ],
      { returns: [1] },
    )
    const norms = (largest as Tensor).data() as Float32Array
    return named[norms.findIndex((norm) => !Number.isFinite(norm))]?.name
  })
}
