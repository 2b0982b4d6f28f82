/** Pictures of numbers that fit into a line. */

const LEVELS = '▁▂▃▄▅▆▇█'

/**
 * Values as a curve of this many characters at most; of more values those of a stretch become their mean.
 *
 * @param scale  values of which the least and the largest are at the bottom and at the top; those that are drawn by default
 */
export function sparkline(values: readonly number[], width: number, scale?: readonly number[]): string {
  const finite = values.filter(Number.isFinite)
  const size = Math.ceil(finite.length / Math.max(1, width))
  const points = Array.from({ length: Math.ceil(finite.length / Math.max(1, size)) }, (_, k) => {
    const own = finite.slice(k * size, (k + 1) * size)
    return own.reduce((sum, value) => sum + value, 0) / own.length
  })
  const ends = scale?.filter(Number.isFinite) ?? points
  const [least, most] = [Math.min(...ends), Math.max(...ends)]
  return points
    .map((value) => LEVELS[most === least ? 3 : Math.round(((value - least) / (most - least)) * (LEVELS.length - 1))])
    .join('')
}

/** A bar of this many characters. @param part 0 to 1 */
export function barline(part: number, width: number): string {
  const halves = Math.round(2 * width * Math.min(1, Math.max(0, part)))
  const full = '━'.repeat(Math.floor(halves / 2)) + (halves % 2 === 1 ? '╸' : '')
  return full + '─'.repeat(Math.max(0, width - full.length))
}
