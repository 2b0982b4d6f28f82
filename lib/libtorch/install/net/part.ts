import { existsSync, readFileSync, statSync } from 'node:fs'
import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises'

/** What is known of the file that a part is of. */
export interface Origin {
  readonly url: string
  /** A strong ETag or a date: only with it does a server know that the rest belongs to the same file. */
  readonly validator: string | undefined
  readonly total: number | undefined
}

/** A file that is not whole yet, with a note beside it of where it comes from, so that a later process can go on. */
export class Part {
  readonly #path: string
  readonly #note: string
  size: number
  /** Undefined for a part without a readable note. */
  origin: Origin | undefined
  /** From how many answers it is put together; what an earlier process left counts as several. */
  pieces: number

  constructor(path: string) {
    this.#path = path
    this.#note = `${path}.json`
    this.size = existsSync(path) ? statSync(path).size : 0
    this.origin = this.size === 0 ? undefined : readNote(this.#note)
    this.pieces = this.size > 0 ? 2 : 0
  }

  /** Opens it for the next answer: at its end, or empty. */
  async open(origin: Origin, from: number): Promise<FileHandle> {
    if (from === 0) {
      this.size = 0
      this.pieces = 0
    }
    this.pieces++
    this.origin = origin
    await writeFile(this.#note, JSON.stringify(origin))
    return await open(this.#path, from === 0 ? 'w' : 'a')
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true })
    await rm(this.#note, { force: true })
    this.size = 0
    this.pieces = 0
    this.origin = undefined
  }

  async finish(path: string): Promise<void> {
    await rename(this.#path, path)
    await rm(this.#note, { force: true })
  }
}

function readNote(path: string): Origin | undefined {
  try {
    const { url, validator, total } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Origin>
    if (typeof url !== 'string') return undefined
    return {
      url,
      validator: typeof validator === 'string' ? validator : undefined,
      total: typeof total === 'number' ? total : undefined,
    }
  } catch {
    return undefined
  }
}
