import { volume } from '../base/numbers.js'
import type { Analysis, Removed } from '../groups/index.js'
import { Widths } from '../groups/widths.js'
import { ELEMENT_BYTES, type TensorValue } from '../record/record.js'

/** Bytes of a tensor of that shape; types without a size here count nothing. */
export const bytesOf = ({ dtype }: Pick<TensorValue, 'dtype'>, shape: readonly number[]): number =>
  volume(shape) * (ELEMENT_BYTES[dtype] ?? 0)

/** Bytes of parameters and buffers once the units of `removed` are gone, tied ones once. */
export function countBytes(analysis: Analysis, removed: Removed = new Uint8Array(0)): number {
  const widths = new Widths(analysis, removed)
  return analysis.record.values.reduce((sum, value, id) => {
    if (value.kind !== 'tensor' || !value.names) return sum
    return sum + bytesOf(value, widths.shape(id))
  }, 0)
}
