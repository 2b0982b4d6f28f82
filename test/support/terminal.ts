const ESCAPE = '\u001b['
/** A code, or a character. */
const PARTS = new RegExp(`${ESCAPE.replace('[', '\\[')}[?\\d;]*[A-Za-z]|[\\s\\S]`, 'gu')

/** A line without codes. */
export const bare = (line: string): string =>
  [...line.matchAll(PARTS)]
    .map(([part]) => part)
    .filter((part) => !part.startsWith(ESCAPE))
    .join('')

/**
 * What a terminal shows of what is written to it: text, line ends, and the few codes that move the cursor or erase. Lines that are longer
 * than it is wide break; when its width changes they are broken anew, as terminals do.
 */
export class Terminal {
  columns: number
  rows = 24
  readonly isTTY = true
  /** Lines as they were ended, not as they are broken. */
  #lines: string[] = ['']
  #row = 0
  #column = 0
  #listeners: (() => void)[] = []
  /** Codes that are none of those. */
  readonly unknown: string[] = []
  written = ''

  constructor(columns: number) {
    this.columns = columns
  }

  on(_: 'resize', listener: () => void): void {
    this.#listeners.push(listener)
  }

  off(_: 'resize', listener: () => void): void {
    this.#listeners = this.#listeners.filter((each) => each !== listener)
  }

  get listeners(): number {
    return this.#listeners.length
  }

  resize(columns: number): void {
    this.columns = columns
    for (const listener of this.#listeners) listener()
  }

  write(text: string): void {
    this.written += text
    for (const [part] of text.matchAll(PARTS)) {
      const code = part.startsWith(ESCAPE) ? part.slice(2) : undefined
      if (part === '\n') this.#goTo(this.#row + 1, 0)
      else if (part === '\r') this.#column = 0
      else if (code?.endsWith('A')) this.#up(Number(code.slice(0, -1) || 1))
      else if (code === 'J') this.#erase()
      else if (code?.endsWith('m')) continue
      else if (code !== undefined) this.unknown.push(code)
      else this.#put(part)
    }
  }

  /** What is seen, without empty lines at the end. */
  get text(): string {
    return this.#lines.join('\n').trimEnd()
  }

  /** Whether the cursor is at the beginning of an empty line, where a prompt would come. */
  get isAtRest(): boolean {
    return this.#column === 0 && (this.#lines[this.#row] ?? '') === ''
  }

  #goTo(row: number, column: number): void {
    while (this.#lines.length <= row) this.#lines.push('')
    this.#row = row
    this.#column = column
  }

  /** Rows of the screen, of which a broken line takes several. */
  #up(count: number): void {
    let left = count - Math.floor(this.#column / this.columns)
    let row = this.#row
    while (left > 0 && row > 0) {
      row -= 1
      left -= Math.max(1, Math.ceil([...(this.#lines[row] as string)].length / this.columns))
    }
    this.#goTo(row, 0)
    if (left < 0) this.unknown.push(`into the middle of line ${row}`)
  }

  #erase(): void {
    this.#lines.length = this.#row + 1
    this.#lines[this.#row] = [...(this.#lines[this.#row] as string)].slice(0, this.#column).join('')
  }

  #put(character: string): void {
    const line = [...(this.#lines[this.#row] as string)]
    line[this.#column] = character
    this.#lines[this.#row] = line.join('')
    this.#column += 1
  }
}
