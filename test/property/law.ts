import { define, EspalierError, type Plan, prune, type ScriptModule, scope, Tensor } from 'espalier'
import { Random } from '../../lib/base/random.js'
import type { DType } from '../../lib/record/record.js'
import { inputsOf } from './families.js'
import { emit, type Program, type Source } from './program.js'

export type Verdict =
  /** `sizes`: inputs other than the example that the original takes. */
  | { outcome: 'cut'; removed: number; groups: string[][]; sizes: number }
  | { outcome: 'refused'; code: string; message: string }
  | { outcome: 'wrong'; why: string }

/** What an honest refusal may be; anything else that is thrown is a defect. */
const isHonest = ({ code, message }: EspalierError) =>
  code === 'ERR_NOTHING_PRUNABLE' || (code === 'ERR_VERIFICATION' && /: inconclusive/.test(message))
/** The programs hold no operator, and no form of one, that is not known. */
const DEFECTS = ['relation did not hold', 'unsupported form', 'unknown operator']
/** Rounding of a network in a dtype, in proportion to its largest output. */
const TOLERANCE: Partial<Record<DType, number>> = { float32: 1e-4, float16: 2e-2, bfloat16: 0.1 }

const isClosed = ({ message }: EspalierError) => /^This branch of `part` was closed/.test(message)

/** A network as TorchScript, with the shapes of its inputs at two batch sizes; the first is the example. */
export interface Network {
  source: Source
  seed: number
  inputs: readonly (readonly number[])[]
  exact: boolean
  dtype?: DType | undefined
}

/** {@link hold} for a program. */
export const judge = (program: Program, exact: boolean): Promise<Verdict> =>
  hold({ source: emit(program), seed: program.seed, inputs: [2, 3].map((batch) => [batch, ...program.input]), exact })

/** {@link hold} for a program of sequences. */
export const judgeOf = (program: Program, exact: boolean): Promise<Verdict> =>
  hold({ source: emit(program), seed: program.seed, inputs: inputsOf(program), exact, dtype: program.dtype })

/**
 * Prunes a network and compares the small one with the source itself, run with zeros in place of what was removed: nothing
 * of the surgery or of its own verification is relied on.
 */
export async function hold({ source, seed, inputs: shapes, exact, dtype = 'float32' }: Network): Promise<Verdict> {
  const { text, parameters, buffers } = source
  const random = new Random(seed + 1)
  const uniform = (n: number, low: number, high: number) =>
    Float32Array.from({ length: n }, () => low + (high - low) * random.uniform())
  const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
  const weights = Object.entries(parameters).map(([name, { shape, zero, dtype: own }]) => {
    const data = shape.length > 1 ? uniform(size(shape), -0.7, 0.7) : uniform(size(shape), 0.3, 1.2)
    return { name, shape, data: zero ? data.fill(0) : data, dtype: own ?? dtype }
  })
  const statistics = Object.entries(buffers).map(([name, shape]) => ({
    name,
    shape,
    data: uniform(size(shape), 0.5, 1.5),
    dtype,
  }))
  const inputs = shapes.map((shape) => ({ shape, data: uniform(size(shape), -1, 1) }))

  return scope(async () => {
    // Anew for each module: some of them are states.
    const indices = () =>
      Object.fromEntries(
        Object.entries(source.indices ?? {}).map(([name, list]) => [
          name,
          Tensor.from(BigInt64Array.from(list, BigInt), [list.length]),
        ]),
      )
    const build = ({ keep, directions }: Pick<Plan, 'keep' | 'directions'>) =>
      define(text, {
        parameters: tensorsOf(
          weights.map((w) => ({ ...w, data: masked(w.data, w.shape, keep[w.name], directions[w.name]) })),
        ),
        buffers: { ...tensorsOf(statistics), ...indices() },
      })
    const model = await build({ keep: {}, directions: {} })
    const tensors = inputs.map(({ data, shape }) => Tensor.from(data, shape, { dtype }))
    const example = tensors[0] as Tensor
    try {
      const around = source.part === 'given' ? { methods: { part: [example] } } : { dropMethods: true as const }
      const result = await prune(model, { inputs: [example], ratio: () => 0.5, exact, ...around })
      const { small, plan, analysis } = result
      const groups = analysis.groups.map(({ members }) => members.map(({ name }) => name))
      const broken = [...analysis.broken, ...analysis.frozen.flatMap(({ reasons }) => reasons)]
      const defect = broken.find(({ kind }) => DEFECTS.includes(kind))
      if (defect) return { outcome: 'wrong', why: `${defect.kind}: ${defect.operator}` }
      const removed = 1 - plan.params[1] / plan.params[0]
      if (plan.approximate.length > 0) return { outcome: 'cut', removed, groups, sizes: 0 }
      const accepted = await acceptedBy(model, tensors)
      const reference = await build(plan)
      if (source.part === 'given' && result.interface.methods.dropped.length > 0)
        return { outcome: 'wrong', why: 'a method that was given inputs went' }
      const calls = small.methods().map((method): [string, boolean[]] => [method, []])
      if (source.part === 'inner') calls.push(['part', [true]])
      for (const [method, flags] of calls) {
        for (const [k, input] of accepted.entries()) {
          const run = async (module: ScriptModule) => (await module.callMethod(method, [input, ...flags])) as Tensor
          const got = await run(small).catch((error) => error as EspalierError)
          if (got instanceof EspalierError && flags.length > 0 && isClosed(got)) continue
          if (got instanceof EspalierError) throw got
          const error = relativeError(got, await run(reference))
          if (!(error <= (TOLERANCE[dtype] as number)))
            return {
              outcome: 'wrong',
              why: `${method} differs by ${error} in call ${k}, of shape ${input.shape.join()}`,
            }
        }
      }
      return { outcome: 'cut', removed, groups, sizes: accepted.length - 1 }
    } catch (error) {
      if (!(error instanceof EspalierError)) return { outcome: 'wrong', why: String(error) }
      const message = `${error.message} ${error.detail ?? ''}`
      if (isHonest(error)) return { outcome: 'refused', code: error.code, message }
      return { outcome: 'wrong', why: `${error.code}: ${message}` }
    }
  })
}

/** Inputs that a model takes, each alone, and that are no more than a dtype holds. */
async function acceptedBy(model: ScriptModule, inputs: readonly Tensor[]): Promise<Tensor[]> {
  const accepted: Tensor[] = []
  for (const [k, input] of inputs.entries()) {
    const copy = await model.clone()
    try {
      const { length } = ((await copy.forward(input)) as Tensor).data().filter((x) => !Number.isFinite(Number(x)))
      if (length === 0) accepted.push(input)
    } catch (error) {
      if (k === 0 || !(error instanceof EspalierError && error.code === 'ERR_TORCH')) throw error
    } finally {
      copy.dispose()
    }
  }
  return accepted
}

type Listed = { name: string; shape: number[]; data: Float32Array; dtype: DType }

function tensorsOf(list: readonly Listed[]): Record<string, Tensor> {
  return Object.fromEntries(list.map(({ name, shape, data, dtype }) => [name, Tensor.from(data, shape, { dtype })]))
}

/** Zero wherever an index of some dimension was removed, but for directions. */
function masked(
  data: Float32Array,
  shape: readonly number[],
  keep: Plan['keep'][string] = {},
  directions: readonly number[] = [],
): Float32Array {
  return data.map((element, i) => {
    let rest = i
    for (let dim = shape.length - 1; dim >= 0; dim--) {
      const index = rest % (shape[dim] as number)
      rest = Math.floor(rest / (shape[dim] as number))
      if (keep[dim]?.includes(index) === false && !directions.includes(dim)) return 0
    }
    return element
  })
}

function relativeError(actual: Tensor, expected: Tensor): number {
  const [a, b] = [actual.data(), expected.data()] as [Float32Array, Float32Array]
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let [gap, scale] = [0, 1e-3]
  b.forEach((value, i) => {
    gap = Math.max(gap, Math.abs(value - (a[i] as number)))
    scale = Math.max(scale, Math.abs(value))
  })
  return gap / scale
}
