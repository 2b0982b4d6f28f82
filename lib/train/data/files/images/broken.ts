import { EspalierError } from '../../../../base/errors.js'
import { unreadable } from '../unreadable.js'

/** A picture that is left out. */
export interface SkippedImage {
  /** Its path from the folder. */
  readonly file: string
  /** What is wrong with it. */
  readonly reason: string
}

/** Pictures that are named in a message; the detail has all. */
const NAMED = 20

/** The pictures of a folder that turned out to be broken. */
export class Broken {
  readonly #folder: string
  readonly #most: number
  readonly #reasons = new Map<string, string>()

  constructor(folder: string, most: number) {
    this.#folder = folder
    this.#most = most
  }

  has(file: string): boolean {
    return this.#reasons.has(file)
  }

  add(file: string, error: unknown): void {
    // libvips tells a warning in each line.
    const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    this.#reasons.set(file, first)
  }

  get list(): SkippedImage[] {
    return Array.from(this.#reasons, ([file, reason]) => ({ file, reason }))
  }

  /** @throws EspalierError ERR_READ when there are more than may be */
  check(): void {
    if (this.#reasons.size > this.#most) throw this.#refused(`more than ${this.#most}`)
  }

  /** @throws EspalierError ERR_READ when all are broken, or there is none */
  checkRest(rest: number): void {
    if (rest > 0) return
    throw this.#reasons.size === 0
      ? unreadable(this.#folder, 'it has no JPEG, PNG or WebP pictures')
      : this.#refused('and no other')
  }

  #refused(what: string): EspalierError {
    const told = this.list.map(({ file, reason }) => `${file}: ${reason}`)
    const more = told.length > NAMED ? `; and ${told.length - NAMED} more` : ''
    const words = `${this.#folder} has ${told.length} broken pictures, ${what}`
    return new EspalierError('ERR_READ', `${words}: ${told.slice(0, NAMED).join('; ')}${more}`, {
      detail: told.join('\n'),
      hint: 'Repair or remove them, or raise maxBroken.',
    })
  }
}
