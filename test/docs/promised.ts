/** What a program says that it prints: the comment behind a `console.log`, or the lines of comments below it and its loop. */
export function promised(code: string): string[] {
  const lines = code.split('\n').map((line) => line.trim())
  return lines.flatMap((line, i) => {
    if (!line.includes('console.log(')) return []
    const behind = /\) \/\/ (.*)$/.exec(line)
    if (behind) return [behind[1]!]
    const below = lines.slice(i + 1).filter((next) => next !== '}')
    const end = below.findIndex((next) => !next.startsWith('//'))
    return below.slice(0, end < 0 ? undefined : end).map((next) => next.replace(/^\/\/ ?/, ''))
  })
}
