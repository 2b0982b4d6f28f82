import type { Rewrite } from '../record/cut-request.js'

/** What an operator becomes: the body of a TorchScript function, and the values that it takes beside the operator's arguments. */
export type Source = Required<Pick<Rewrite, 'source' | 'values'>>

/** Coordinates of a dimension, as a tensor. */
export const indices = (list: ArrayLike<number>): { shape: number[]; data: number[] } => ({
  shape: [list.length],
  data: Array.from(list),
})

/** `value[:, …, index]` along `dim`. Unlike `index_select` it takes an index on the CPU for a tensor elsewhere. */
export const picked = (value: string, dim: number, index: string): string =>
  `torch.index(${value}, [${'None, '.repeat(dim)}${index}])`

/** A norm or mean, and what is kept of the dimensions over which it computes. */
export interface Averaged {
  /** Its qualified name, `aten::layer_norm`. */
  name: string
  /** Dimensions of its input. */
  rank: number
  /** Names of all its arguments. */
  argNames: readonly string[]
  /** Whether it takes a tensor there. */
  isTensor(argument: string): boolean
  number(argument: string): number | undefined
  /** All dimensions over which it computes, ascending. */
  dims: readonly number[]
  /** Those of them that are cut. */
  cut: readonly { dim: number; size: number; keep: readonly number[] }[]
}

/**
 * What takes the place of an operator over dimensions that are cut: in the small model, from what is left of its input
 * (`exact`), or in the original, from all of it and with zeros where something is cut (`overKept`).
 */
export type Form = (op: Averaged) => Source

/** The operator itself, `given` in place of some of its arguments. */
export const called = ({ name, argNames }: Averaged, given: Readonly<Record<string, string>>): string =>
  `${name.replace('aten::', 'torch.')}(${argNames.map((argument) => `${argument}=${given[argument] ?? argument}`).join(', ')})`

/** `value` with what is kept of the dimensions that are cut; its own dimension `d` is `d + shift` of the operator's input. */
export const keptOf = ({ cut }: Averaged, value: string, shift = 0): string =>
  cut.reduce((text, { dim }) => picked(text, dim - shift, `keep_${dim}`), value)

/** The values that {@link keptOf} reads. */
export const keptValues = ({ cut }: Averaged): Source['values'] =>
  Object.fromEntries(cut.map(({ dim, keep }) => [`keep_${dim}`, indices(keep)]))

/** `value` with zeros behind what is left of the dimensions that are cut, as long as it was. */
export const filledUp = ({ cut, rank }: Averaged, value: string): string =>
  `torch.constant_pad_nd(${value}, [${zerosBehind(cut, rank).join(', ')}])`

/** Amounts of a padding, last dimension first. */
function zerosBehind(cut: Averaged['cut'], rank: number): number[] {
  const first = Math.min(...cut.map(({ dim }) => dim))
  return Array.from({ length: rank - first }, (_, k) => {
    const gone = cut.find(({ dim }) => dim === rank - 1 - k)
    return [0, gone ? gone.size - gone.keep.length : 0]
  }).flat()
}

/** What is left of a value that was {@link filledUp}. */
export const leftOf = ({ cut }: Averaged, value: string): string =>
  cut.reduce((text, { dim, keep }) => `torch.narrow(${text}, ${dim}, 0, ${keep.length})`, value)

/** `K / N`, the share of the elements over which it computes that is left. */
export const share = ({ cut }: Averaged): number => cut.reduce((part, { keep, size }) => (part * keep.length) / size, 1)
