import { type Arg, flat, type OpRecord } from './record.js'

/** Whether two results hold tensors of the same shapes, or one holds none: then it says that the other is not used. */
export function areAlike(record: OpRecord, a: Arg, b: Arg): boolean {
  const shapes = (arg: Arg) =>
    flat(arg).flatMap((id) => {
      const value = record.values[id]
      return value?.kind === 'tensor' ? [value.shape.join()] : []
    })
  const [left, right] = [shapes(a), shapes(b)]
  return left.length === 0 || right.length === 0 || left.join(';') === right.join(';')
}
