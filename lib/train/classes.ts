import { EspalierError } from '../base/errors.js'
import { shown, thing } from '../base/schema/index.js'
import type { Tensor, TypedArray } from '../torch/index.js'

/** The dimension of the output that runs over the classes: 1, as PyTorch has it, or the last. */
export type ClassAxis = 1 | -1

/** @internal */
export const CLASS_AXIS = thing<ClassAxis>('1 or -1', (value) => value === 1 || value === -1)

/** What PyTorch's cross entropy leaves out. */
export const IGNORED = -100

/** Readings of an output [n, classes, …] or [n, …, classes] under which targets have its shape without the classes. */
function readings(output: readonly number[], targets: readonly number[]): ClassAxis[] {
  const without = (axis: number) => output.filter((_, dim) => dim !== axis).join()
  const last = output.length - 1
  if (last < 1) return last === 0 && targets.length === 0 ? [-1] : []
  const fits = (axis: number) => without(axis) === targets.join()
  return [...(fits(1) ? [1 as const] : []), ...(last !== 1 && fits(last) ? [-1 as const] : [])]
}

/** Where the classes are, when shapes leave one reading or `given` says it; `undefined` when there is none. */
export function classAxisOf(output: Tensor, targets: Tensor, given?: ClassAxis): ClassAxis | 'either' | undefined {
  const fitting = readings(output.shape, targets.shape)
  if (given !== undefined) {
    const same = given === -1 && output.shape.length === 2 ? 1 : given
    return fitting.find((axis) => axis === same)
  }
  return fitting.length > 1 ? 'either' : fitting[0]
}

/**
 * The dimension of the classes for cross entropy.
 *
 * @throws ERR_INVALID_ARGUMENT when targets don't fit the output, or fit in two ways
 */
export function mustHaveClasses(output: Tensor, targets: Tensor, given?: ClassAxis): ClassAxis {
  const [o, t] = [`[${output.shape.join(', ')}]`, `[${targets.shape.join(', ')}]`]
  const probabilities = targets.dtype !== 'int64'
  if (probabilities && o !== t) {
    const wanted = 'int64 class indices (a BigInt64Array), or probabilities of the shape of the output'
    throw invalid(`cross entropy takes ${wanted}; the targets are ${targets.dtype} ${t}, the output is ${o}`)
  }
  const axis = probabilities ? axisOfProbabilities(output, given) : classAxisOf(output, targets, given)
  if (axis === undefined) {
    const asked = given === undefined ? '' : ` with classAxis: ${given}`
    throw invalid(
      `targets ${t} don't fit the output ${o}${asked}: they need its shape without the dimension of the classes`,
    )
  }
  if (axis !== 'either') return axis
  const words = `an output ${o} with targets ${t} has its classes along dimension 1 (${output.shape[1]}), as in [n, classes, …], or along the last (${output.shape.at(-1)}), as in [n, …, classes]`
  throw invalid(words, 'Say which: classAxis: 1 or classAxis: -1.')
}

function axisOfProbabilities({ shape }: Tensor, given: ClassAxis | undefined): ClassAxis | 'either' {
  return given ?? (shape.length <= 2 ? 1 : 'either')
}

/**
 * @param labels the elements of the targets, where they are at hand
 * @throws ERR_INVALID_ARGUMENT for a target that is no class, naming it
 */
export function mustBeClasses(
  targets: Tensor,
  classes: number,
  ignoreIndex: number = IGNORED,
  labels?: TypedArray,
): void {
  if (targets.dtype !== 'int64') return
  const wrong = ((labels ?? targets.data()) as BigInt64Array).find(
    (label) => label !== BigInt(ignoreIndex) && !(label >= 0n && label < classes),
  )
  if (wrong === undefined) return
  throw invalid(`a target is ${shown(Number(wrong))}: the output has ${classes} classes, 0 to ${classes - 1}`)
}

function invalid(message: string, hint?: string): EspalierError {
  return new EspalierError('ERR_INVALID_ARGUMENT', message, { hint })
}
