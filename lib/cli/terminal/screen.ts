/** What a screen needs of a stream. */
export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
  /** Whether it shows colours; `NO_COLOR` counts. */
  hasColors?(): boolean
  on?(event: 'resize', listener: () => void): unknown
  off?(event: 'resize', listener: () => void): unknown
}

/** Lines for a width, newest state; styles only where there are colours. */
export type Panel = (columns: number, style: Style) => readonly string[]

export interface Style {
  strong(text: string): string
  soft(text: string): string
  accent(text: string): string
}

const coded =
  (on: number, off: number) =>
  (text: string): string =>
    `\u001b[${on}m${text}\u001b[${off}m`
const COLOURED: Style = { strong: coded(1, 22), soft: coded(2, 22), accent: coded(36, 39) }
const PLAIN: Style = { strong: (text) => text, soft: (text) => text, accent: (text) => text }

/**
 * Lines that stay, and below them a panel that is drawn over. Nothing of the terminal's state is changed (no hidden cursor, no other
 * screen), so that there is nothing to put back, however the process ends; the cursor waits on a line of its own.
 */
export class Screen {
  readonly #output: Output
  readonly #style: Style
  #panel: Panel | undefined
  /** Visible lengths of the lines that are drawn. */
  #drawn: number[] = []
  readonly #resized = () => this.#draw()

  constructor(output: Output) {
    this.#output = output
    this.#style = output.hasColors?.() ? COLOURED : PLAIN
    output.on?.('resize', this.#resized)
  }

  /** A line that stays. */
  say(line: string): void {
    this.#draw(`${line}\n`)
  }

  /** What is drawn below from now on; nothing by default. */
  show(panel?: Panel): void {
    this.#panel = panel
    this.#draw()
  }

  end(): void {
    this.#output.off?.('resize', this.#resized)
    this.show()
  }

  /** One write, so that nothing flickers. */
  #draw(above = ''): void {
    // Some report 0 where they don't know.
    const [columns, rows] = [this.#output.columns || 80, this.#output.rows || 24]
    const width = Math.max(1, columns - 1)
    const lines = (this.#panel?.(width, this.#style) ?? [])
      .slice(0, Math.max(1, rows - 2))
      .map((line) => cut(line, width))
    // A terminal that became narrower has broken the lines that were longer.
    const before = this.#drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / columns)), 0)
    if (before > 0)
      this.#output.write(`\u001b[${before}A\r\u001b[J${above}${lines.map((line) => `${line}\n`).join('')}`)
    else if (above !== '' || lines.length > 0) this.#output.write(above + lines.map((line) => `${line}\n`).join(''))
    this.#drawn = lines.map((line) => [...plain(line)].length)
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one
const CODES = /\u001b\[\d+m/g
const plain = (line: string): string => line.replace(CODES, '')

/** A line without what is beyond a width; one that is cut loses its styles. */
function cut(line: string, width: number): string {
  const characters = [...plain(line)]
  return characters.length <= width ? line : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`
}
