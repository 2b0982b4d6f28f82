import { appendText, dropBrokenLine } from '../base/files.js'
import { toJson } from '../base/json.js'
import { flag, maybe, object, path as pathSchema, signature } from '../base/schema/index.js'
import type { RunEvent } from './types.js'

/** Options of {@link jsonLines}. */
export interface JsonLinesOptions {
  /** Also a line for each optimizer step; false by default. */
  batches?: boolean | undefined
  /** Go on at the end of a file that is there, instead of beginning it anew; a line that was broken off goes. False by default. */
  append?: boolean | undefined
}

/** @internal */
export const JSON_LINES = signature(
  'jsonLines',
  ['path', pathSchema],
  ['options', object<JsonLinesOptions>({ batches: maybe(flag), append: maybe(flag) })],
)

/**
 * Writes the records of a run to a file, one JSON object a line, as they come: its trajectory, for plots and comparisons.
 * Each line has a `kind` and the seconds since the start. Numbers that JSON has not are `{ "$number": "NaN" }`, `"Infinity"`.
 *
 * @returns a function for `onEvent`, or to be called in the loop over a `Run`
 * @throws EspalierError ERR_WRITE with the system's reason; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { greg1, jsonLines, load, sgd, sparsify, Tensor } from 'espalier'
 * import { data } from './data.js'
 *
 * await sparsify(await load('model.pt'), {
 *   inputs: [Tensor.zeros([1, 3, 8, 8])],
 *   data,
 *   loss: 'cross-entropy',
 *   budget: { macs: 0.5 },
 *   regularizer: greg1(),
 *   sparse: { epochs: 5, optimizer: sgd({ lr: 0.01 }) },
 *   onEvent: jsonLines('run.jsonl'),
 * })
 * ```
 */
export function jsonLines(path: string, options: JsonLinesOptions = {}): (record: RunEvent) => void {
  JSON_LINES.check(path, options)
  const start = performance.now()
  if (options.append === true) dropBrokenLine(path)
  appendText(path, '', { fresh: options.append !== true })
  return (record) => {
    if (record.kind === 'batch' && options.batches !== true) return
    appendText(path, `${toJson(lineOf(record, start))}\n`)
  }
}

/** A record as a line has it. @param start of the run, in milliseconds */
export function lineOf(record: RunEvent, start: number): { kind: string; seconds: number; [key: string]: unknown } {
  const seconds = Math.round(performance.now() - start) / 1000
  return { ...(plain(record) as { kind: string }), seconds }
}

/** A record without what is no plain data, or is large. */
function plain(record: RunEvent): object {
  switch (record.kind) {
    case 'analysis': {
      const { groups, coverage } = record.analysis
      return {
        kind: record.kind,
        coverage,
        groups: groups.map(({ id, kind, size, scopes }) => ({ id, kind, size, scopes })),
      }
    }
    case 'plan': {
      const { removed, params, macs, bytes, memory, latency } = record.plan
      return { kind: record.kind, removed, params, macs, bytes, memory, ...(latency && { latency }) }
    }
    case 'epoch': {
      const { seconds, ...rest } = record
      return { ...rest, trainingSeconds: seconds }
    }
    default:
      return record
  }
}
