/** What an atom was met as. Atoms that become one have been met as all that either was. */
export const MET = {
  /** index of a whole dimension of a parameter or buffer */
  dimension: 1,
  /** outer factor of a dimension that a reshape took apart */
  outer: 2,
  /** inner factor of such a dimension */
  inner: 4,
  /** group of a convolution */
  convGroup: 8,
  /** hidden unit of a recurrent layer */
  hidden: 16,
  /** batch index of a product of two activations: an attention head */
  batch: 32,
  /** contracted or passed on by such a product: a dimension of a head */
  product: 64,
} as const

/** What binding a coordinate to parts tells about the parts. */
export const INHERITED = MET.batch | MET.product
