import type { OpEntry } from '../groups/index.js'

/**
 * In which module each operator is written: the path of the innermost one that has others inside. A convolution that runs in
 * `layer1.0.conv1` is written in `layer1.0`, as is the sum that runs there itself.
 */
export function modulesOf(ops: readonly OpEntry[]): (op: OpEntry) => string {
  const holds = new Set(ops.flatMap(({ scope }) => prefixesOf(scope)))
  return ({ scope }) => (holds.has(scope) ? scope : parentOf(scope))
}

/** `layer1.0` of `layer1.0.conv1`; empty for a module of the root, and for the root. */
export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('.')))

/** All that a module is in, the innermost first, without the root. */
export function prefixesOf(path: string): string[] {
  const parent = parentOf(path)
  return parent === '' ? [] : [parent, ...prefixesOf(parent)]
}
