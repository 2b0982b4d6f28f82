/** Where long work says what it does. The caller decides how that is shown. */
export interface Progress {
  /** A line that stays. */
  readonly say: (line: string) => void
  /** What is going on right now; called at least once a second while work is under way. @param part that is done, 0 to 1, where it is known */
  readonly status: (text: string, part?: number) => void
}

/** Runs `work` and reports `text()` once a second meanwhile, also when the work itself is silent. */
export async function whileReporting<T>(
  progress: Progress,
  text: () => string,
  work: () => Promise<T>,
  part: () => number | undefined = () => undefined,
): Promise<T> {
  const report = () => progress.status(text(), part())
  report()
  const timer = setInterval(report, 1000)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`
}
