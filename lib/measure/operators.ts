import { flatArgs, type OpRecord } from '../groups/index.js'
import type { ModuleInput, ScriptModule, SignalOptions } from '../torch/index.js'
import { timeForward, timeNodes } from '../torch/time.js'
import { keyOf } from './forecast.js'

/** For so many milliseconds operators are timed, in so many rounds at least and at most. */
const [SPAN, LEAST, MOST] = [600, 3, 12]

/** How often something of that many milliseconds is timed. */
export const roundsFor = (ms: number, span = SPAN): number =>
  Math.max(LEAST, Math.min(MOST, Math.round(span / Math.max(ms, 1e-3))))

/**
 * Milliseconds of the operators of a model, as they are in its own run, by {@link keyOf}: of several rounds the least, and of several
 * operators of one key the mean.
 */
export async function timeOperators(
  model: ScriptModule,
  inputs: readonly ModuleInput[],
  { signal }: SignalOptions = {},
): Promise<Record<string, number>> {
  const first = await timeForward(model, inputs, { signal })
  using recording = await model.record(inputs, { signal })
  const rounds = await timeNodes(model, recording, inputs, { rounds: roundsFor(first), warmUp: 1, signal })
  return byKey(recording.record, rounds)
}

/** @param rounds milliseconds by node */
export function byKey(record: OpRecord, rounds: readonly ArrayLike<number>[]): Record<string, number> {
  const ran = record.ops.slice(0, record.forwardOps).filter(({ speculative }) => !speculative)
  const runs = new Map<number, number>()
  for (const { node } of ran) runs.set(node, (runs.get(node) ?? 0) + 1)
  const found = new Map<string, number[]>()
  for (const op of ran) {
    if (op.outputs.flatMap((arg) => flatArgs(arg)).every((id) => record.values[id]?.kind !== 'tensor')) continue
    const least = Math.min(...rounds.map((times) => times[op.node] ?? 0)) / (runs.get(op.node) as number)
    const key = keyOf(record, op, (id) => {
      const value = record.values[id]
      return value?.kind === 'tensor' ? value.shape : []
    })
    found.set(key, [...(found.get(key) ?? []), least])
  }
  return Object.fromEntries([...found].map(([key, all]) => [key, all.reduce((a, b) => a + b, 0) / all.length]))
}
