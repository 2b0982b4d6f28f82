import type { Family } from './operator.js'

/** Operators that only look at shape, type or identity: they read no element, so they constrain nothing. */
const NAMES = [
  ...'size dim len numel is_floating_point is_complex __is__ __isnot__ ndimension stride storage_offset sym_size sym_numel is_contiguous is_same_size is_cuda'
    .split(' ')
    .map((name) => `aten::${name}`),
  ...'dtype device layout is_cuda requires_grad shape is_nested type is_sparse'
    .split(' ')
    .map((name) => `prim::${name}`),
]

export const metadata: Family = NAMES.map((name) => [name, { says: 'everything: it reads no element' }])
