/** Does `work` for 0 to n - 1, at most `workers` at once. After a failure no more is begun, and it is thrown when all are done. */
export async function inParallel(n: number, workers: number, work: (k: number) => Promise<void>): Promise<void> {
  let next = 0
  let failure: { error: unknown } | undefined
  const worker = async () => {
    while (next < n && failure === undefined) {
      try {
        await work(next++)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(n, workers) }, worker))
  if (failure !== undefined) throw failure.error
}
