/** Options without those that were left out as `undefined`. */
export function given<Options extends object>(
  options: Options,
): { [K in keyof Options]: Exclude<Options[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}
