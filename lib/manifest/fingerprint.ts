import { createHash } from 'node:crypto'
import { signature } from '../base/schema/index.js'
import { flatArgs, type OpRecord } from '../groups/index.js'
import { RECORD } from '../groups/schemas.js'

/** Shapes by name of the parameter or buffer. */
export type TensorSizes = Readonly<Record<string, readonly number[]>>

/** @internal */
export const FINGERPRINT_OF = signature('fingerprintOf', ['record', RECORD])

/**
 * What two checkpoints of one network have in common: names and shapes of the parameters and buffers that a run reads.
 *
 * @returns their shapes, and a hash (SHA-256, hexadecimal) over both that does not depend on their order
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 * import { fingerprintOf } from 'espalier/analysis'
 *
 * using recording = await (await load('model.pt')).record([Tensor.zeros([1, 3, 8, 8])])
 * const { fingerprint, sizes } = fingerprintOf(recording.record)
 * console.log(fingerprint.length, sizes['conv.weight']) // 64 [ 4, 3, 3, 3 ]
 * ```
 */
export function fingerprintOf(record: OpRecord): { fingerprint: string; sizes: TensorSizes } {
  FINGERPRINT_OF.check(record)
  const { values } = record
  const named = values.flatMap((value) =>
    value.kind === 'tensor' && value.names ? value.names.map((name) => [name, value.shape] as const) : [],
  )
  named.sort(([a], [b]) => (a < b ? -1 : 1))
  const fingerprint = createHash('sha256').update(JSON.stringify(named)).digest('hex')
  return { fingerprint, sizes: Object.fromEntries(named) }
}

/** Shapes of the tensors among the inputs of a record, one after the other. */
export function inputShapes({ inputs, values }: OpRecord): (readonly number[])[] {
  return inputs.flatMap(flatArgs).flatMap((id) => {
    const value = values[id]
    return value?.kind === 'tensor' ? [value.shape] : []
  })
}
