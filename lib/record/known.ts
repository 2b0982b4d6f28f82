import { flat, type OpRecord, type RecordValue, type ValueId } from './record.js'

/** Operators that give the integers they are given: casts, copies, moves to a device. */
const SAME = new Set(
  'to _to_copy int long detach alias lift lift_fresh clone contiguous cpu cuda type_as'
    .split(' ')
    .map((name) => `aten::${name}`),
)
const isWhole = (dtype: string) => /^u?int/.test(dtype)

/**
 * The record with the elements of integer tensors that only were copied from known ones: a trace moves every index that it
 * holds to a device before it is used. What a program writes to is not known.
 */
export function withKnownIntegers(record: OpRecord): OpRecord {
  const written = new Set<ValueId>(record.ops.flatMap((op) => (op.mutates ? flat(op.inputs).slice(0, 1) : [])))
  const found = new Map<ValueId, RecordValue>()
  for (const { name, inputs, outputs } of record.ops) {
    const [from, to] = [inputs[0], outputs[0]]
    if (!SAME.has(name) || typeof from !== 'number' || typeof to !== 'number' || written.has(from)) continue
    const [source, made] = [found.get(from) ?? record.values[from], record.values[to]]
    if (source?.kind !== 'tensor' || made?.kind !== 'tensor' || !source.data || made.data || written.has(to)) continue
    if (isWhole(source.dtype) && isWhole(made.dtype)) found.set(to, { ...made, data: source.data })
  }
  if (found.size === 0) return record
  return { ...record, values: record.values.map((value, id) => found.get(id) ?? value) }
}
