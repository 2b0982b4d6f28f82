/** Whether no number is a NaN or an infinity. */
export function allFinite(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false
  return true
}

/** An array, or a typed array. */
export const isNumbers = (value: unknown): boolean =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value)

/** Product of sizes. */
export const volume = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1)

/** 0 to n - 1. */
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
