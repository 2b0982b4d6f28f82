/**
 * One small network for each operator that has a rule. `y` is [2, 8, 4, 4], made by a convolution; the operator makes `z`
 * of it (of `channels` channels, 8 when not given), which another convolution reads.
 *
 * In the code, `$name[8, 4]` is a parameter of that shape, `%name[8]` a buffer, and `@name[2, 0]` a buffer of those indices.
 */
export interface Specimen {
  code: string
  channels?: number
  /** The operator fixes the channels of `y`. */
  frozen?: boolean
  /** The example's batch size is part of the program. */
  oneBatch?: boolean
}

export const TOKENS = 's = y.flatten(2).transpose(1, 2)\n'
export const IMAGE = '.transpose(1, 2).reshape(y.shape[0], -1, 4, 4)'
export const POOLED = 'v = y.mean([2, 3])\n'
export const PIXELS = '.unsqueeze(-1).unsqueeze(-1)'

export const all = (
  names: string,
  code: (name: string) => string,
  more: Omit<Specimen, 'code'> = {},
): [string, Specimen][] => names.split(/\s+/).map((name) => [name, { code: code(name), ...more }])
export const one = (name: string, code: string, more: Omit<Specimen, 'code'> = {}): [string, Specimen] => [
  name,
  { code, ...more },
]
