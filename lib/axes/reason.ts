/** Why a coordinate always survives. */
export interface FreezeReason {
  /** Why, from a short list, to be counted: `model output`, `unknown operator`, … */
  kind: string
  /** Operator that did it, `aten::topk`; absent for inputs and outputs. */
  operator?: string
  /** Module path of that operator. */
  scope?: string
}
