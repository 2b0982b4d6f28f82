/** What becomes of that in a module which is not its `forward`. */
export interface InterfaceOptions {
  /**
   * Methods that may go when they can't be cut along with `forward`: by name (`encode`, `decoder.reset`), or all such (`true`).
   * None by default: a cut that would break a method is refused.
   */
  dropMethods?: readonly string[] | true | undefined
  /** Remove the tensors that neither `forward` nor a method that stays ever reads (a critic beside an actor). Default false. */
  dropUnreached?: boolean | undefined
}

/** What a node may take as a constant: a number, flag, list of whole numbers, nothing, or a tensor of them (int64; of a Float32Array float32). */
export type CutValue =
  | number
  | boolean
  | readonly number[]
  | null
  | { readonly shape: readonly number[]; readonly data: readonly number[] | Float32Array }

/**
 * An operator is replaced by the body of a TorchScript function. It takes the operator's arguments by the names of their
 * schema (`argNames` of the record) and `values` by theirs, and returns what the operator gave: several outputs as a tuple.
 *
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 * import type { Rewrite } from 'espalier/torch'
 *
 * const model = await load('model.pt')
 * const recording = await model.record([Tensor.zeros([1, 3, 8, 8])])
 * const { node } = recording.record.ops.find(({ name }) => name === 'aten::relu')!
 * const rewrite: Rewrite = { node, source: 'return torch.clamp(self, 0.0, ceiling)', values: { ceiling: 6 } }
 * const bounded = await model.cut(recording, { rewrites: [rewrite] })
 * await bounded.save('bounded.pt')
 * ```
 */
export interface Rewrite {
  readonly node: number
  readonly source: string
  /** A whole number is an `int`; other floating-point numbers stand in the source. */
  readonly values?: Readonly<Record<string, CutValue>>
}

/** What surgery does to a module. Nodes and inputs are those of the op record. Edits are made in the order of the fields. */
export interface CutRequest extends InterfaceOptions {
  /** What stays of a parameter or buffer, by its first name; its other names follow. */
  readonly slices?: readonly { name: string; dim: number; keep: Int32Array }[]
  /** An input of a node becomes this constant; with `element`, only that element of a list that it takes. */
  readonly constants?: readonly { node: number; input: number; element?: number; value: CutValue }[]
  /**
   * An int computed at run time is multiplied, then floor-divided. Before that it is computed anew, for this place alone,
   * with the sizes in `entries` (what the node gives, or an element of the list of `size` that it gives) multiplied and divided each.
   */
  readonly scaled?: readonly {
    node: number
    input: number
    element?: number
    multiply: number
    divide: number
    entries?: readonly { node: number; element?: number; size?: number; multiply: number; divide: number }[]
  }[]
  /** The constant tensor that is read there is sliced, for this use only. */
  readonly tensors?: readonly {
    node: number
    input: number
    element?: number
    slices: readonly { dim: number; keep: Int32Array }[]
  }[]
  /** An operator that must change its form: unequal parts, a slice that is an irregular selection, a norm over what is kept. */
  readonly rewrites?: readonly Rewrite[]
  /** A block of an `if` that is never taken raises from now on. */
  readonly closed?: readonly { node: number; block: 0 | 1 }[]
}

/** What a cut did to that in a module which is not its `forward`. */
export interface InterfaceReport {
  /** By qualified name; of submodules only those that `forward` doesn't call. */
  readonly methods: {
    /** They compute with nothing that was cut; they may reset it. */
    readonly kept: readonly string[]
    /** They compute with what was cut, as `forward` does: what they take or give may be narrower. */
    readonly cut: readonly string[]
    readonly dropped: readonly string[]
  }
  /**
   * What raises from now on in methods that `forward` calls, and why it could not be cut along: branches that `forward` doesn't
   * take, or (`whole`) all of a method that it calls in ways that are cut apart.
   */
  readonly closed: readonly { readonly method: string; readonly reason: string; readonly whole: boolean }[]
  /** Tensors that `forward` never reads, with the methods that do. They are kept whole unless `dropped`. */
  readonly unreached: readonly {
    readonly name: string
    readonly usedBy: readonly string[]
    readonly dropped: boolean
  }[]
}
