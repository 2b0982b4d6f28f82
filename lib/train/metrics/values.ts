// Metrics of numbers and of sequences.

import { describes } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { func, maybe, object, oneOf, shown, signature } from '../../base/schema/index.js'
import { type ModuleOutput, type OpCall, run, Tensor } from '../../torch/index.js'
import type { Metric } from './metric.js'

/**
 * The coefficient of determination: 1 at best, 0 for the mean of the targets. Output and targets of one shape; a mean over the last
 * dimension's columns, where there is more than one dimension.
 */
export function r2(): Metric {
  const metric: Metric = {
    name: 'r2',
    better: 'higher',
    async judge(output, targets) {
      if (!(output instanceof Tensor) || output.shape.join() !== targets?.shape.join()) return undefined
      const columns = output.shape.length > 1 ? (output.shape.at(-1) as number) : 1
      const wide = (tensor: Tensor, at: number): OpCall[] => [
        { op: 'aten::to.dtype', args: [tensor, 'float64', false, false, null] },
        { op: 'aten::reshape', args: [{ result: at }, [-1, columns]] },
      ]
      const summed = (at: number): OpCall => ({ op: 'aten::sum.dim_IntList', args: [{ result: at }, [0], false, null] })
      const calls: OpCall[] = [
        ...wide(targets, 0),
        ...wide(output, 2),
        { op: 'aten::sub.Tensor', args: [{ result: 1 }, { result: 3 }, 1] },
        { op: 'aten::square', args: [{ result: 4 }] },
        { op: 'aten::square', args: [{ result: 1 }] },
        summed(1),
        summed(6),
        summed(5),
      ]
      const sums = await run(calls, { returns: [7, 8, 9] })
      const columnsOf = sums.flatMap((each) => Array.from((each as Tensor).to('cpu').data() as Float64Array))
      return [targets.numel / columns, ...columnsOf]
    },
    result([n = 1, ...sums]) {
      const columns = sums.length / 3
      const each = Array.from({ length: columns }, (_, k) => {
        const [sum, squares, errors] = [0, 1, 2].map((part) => sums[part * columns + k] as number) as [
          number,
          number,
          number,
        ]
        return 1 - errors / (squares - sum ** 2 / n)
      })
      return each.reduce((a, b) => a + b, 0) / columns
    },
  }
  return describes(metric, { name: 'r2' })
}

/** Options of {@link metrics.errorRate}. */
export interface ErrorRateOptions {
  /** What a model's output, or its part that `output` names, says: one text for each example. */
  read: (output: ModuleOutput) => readonly string[]
  /** What the targets say. */
  reference: (targets: Tensor) => readonly string[]
  /** What is counted; `'words'` by default, which are parted by spaces. */
  of?: 'words' | 'characters' | undefined
}

/** @internal */
export const ERROR_RATE = signature('errorRate', [
  'options',
  object<ErrorRateOptions>({ read: func(), reference: func(), of: maybe(oneOf('words', 'characters')) }),
])

/**
 * Word or character error rate, `wordErrorRate` and `characterErrorRate`: how many must be put in, left out or exchanged (Levenshtein,
 * 1966), by how many there are in the targets; 0 at best.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 */
export function errorRate(options: ErrorRateOptions): Metric {
  ERROR_RATE.check(options)
  const { read, reference, of = 'words' } = options
  const parts = (text: string) => (of === 'words' ? text.split(/\s+/).filter(Boolean) : [...text])
  const name = of === 'words' ? 'wordErrorRate' : 'characterErrorRate'
  const metric: Metric = {
    name,
    better: 'lower',
    judge(output, targets) {
      if (targets === undefined) return undefined
      const [said, meant] = [read(output), reference(targets)]
      const texts = [said, meant].every((all) => Array.isArray(all) && all.every((text) => typeof text === 'string'))
      if (!texts || said.length !== meant.length) {
        const words = `${name}: read and reference must give as many texts, not ${shown(said)} and ${shown(meant)}`
        throw new EspalierError('ERR_INVALID_ARGUMENT', words)
      }
      return meant.reduce(
        ([edits, length], text, k) => {
          const wanted = parts(text)
          return [edits + editsBetween(parts(said[k] as string), wanted), length + wanted.length] as [number, number]
        },
        [0, 0] as [number, number],
      )
    },
  }
  return describes(metric, { name, of })
}

function editsBetween(from: readonly string[], to: readonly string[]): number {
  let row = Array.from({ length: to.length + 1 }, (_, j) => j)
  for (const [i, part] of from.entries()) {
    const next = [i + 1]
    for (const [j, wanted] of to.entries()) {
      const exchanged = (row[j] as number) + (part === wanted ? 0 : 1)
      next.push(Math.min(exchanged, (row[j + 1] as number) + 1, (next[j] as number) + 1))
    }
    row = next
  }
  return row[to.length] as number
}
