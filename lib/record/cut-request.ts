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

/** What surgery does to a module. Nodes and inputs are those of the op record. */
export interface CutRequest extends InterfaceOptions {
  /** What stays of a parameter or buffer, by its first name; its other names follow. */
  readonly slices: readonly { name: string; dim: number; keep: Int32Array }[]
  /** An input of a node becomes this constant; with `element`, only that element of a list that it takes. */
  readonly constants: readonly {
    node: number
    input: number
    element?: number
    value: number | boolean | number[] | null | { shape: number[]; data: number[] | Float32Array }
  }[]
  /**
   * An int computed at run time is multiplied, then floor-divided. Before that it is computed anew, for this place alone,
   * with the sizes in `entries` (what the node gives, or an element of the list of `size` that it gives) multiplied and divided each.
   */
  readonly scaled: readonly {
    node: number
    input: number
    element?: number
    multiply: number
    divide: number
    entries?: readonly { node: number; element?: number; size?: number; multiply: number; divide: number }[]
  }[]
  /** An operator that must change its form: split or chunk into unequal parts, a slice into an irregular selection, a block of an `if` into an exception. */
  /** The constant tensor that is read there is sliced, for this use only. */
  readonly tensors?: readonly {
    node: number
    input: number
    element?: number
    slices: readonly { dim: number; keep: Int32Array }[]
  }[]
  /** A tensor that the node takes is first reduced to `keep` along `dim`. */
  readonly selects?: readonly { node: number; input: number; dim: number; keep: Int32Array }[]
  /** What the node gives is put back to `size` coordinates along `dim`: zeros but for `keep`. */
  readonly scatters?: readonly { node: number; output: number; dim: number; size: number; keep: Int32Array }[]
  readonly rewrites: readonly (
    | { node: number; form: 'split_with_sizes'; sizes: number[] }
    | { node: number; form: 'index_select'; dim: number; indices: number[] }
    | { node: number; form: 'squeeze'; dims: number[] }
    | { node: number; form: 'close'; block: 0 | 1 }
  )[]
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
