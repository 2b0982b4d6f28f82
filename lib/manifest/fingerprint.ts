import { createHash } from 'node:crypto'
import type { OpRecord } from '../graph/index.js'

/** Shapes by name of the parameter or buffer. */
export type TensorSizes = Readonly<Record<string, readonly number[]>>

/**
 * What two checkpoints of one network have in common: names and shapes of the parameters and buffers that a run reads.
 *
 * @returns their shapes, and a hash (SHA-256, hexadecimal) over both that does not depend on their order
 */
export function fingerprintOf({ values }: Pick<OpRecord, 'values'>): { fingerprint: string; sizes: TensorSizes } {
  const named = values.flatMap((value) =>
    value.kind === 'tensor' && value.names ? value.names.map((name) => [name, value.shape] as const) : [],
  )
  named.sort(([a], [b]) => (a < b ? -1 : 1))
  const fingerprint = createHash('sha256').update(JSON.stringify(named)).digest('hex')
  return { fingerprint, sizes: Object.fromEntries(named) }
}
