import type { IncomingMessage } from 'node:http'
import { finished } from 'node:stream/promises'

/**
 * What a message brings, taken the moment that it is there: a stream that breaks off throws away what nobody has read yet.
 * It begins at once, before there is anywhere to put it.
 */
export class Arriving {
  readonly #message: IncomingMessage
  readonly #end: Promise<{ error?: unknown }>
  #kept: Buffer[] = []
  #take: ((chunk: Buffer) => void) | undefined

  constructor(message: IncomingMessage) {
    this.#message = message
    message.on('data', (chunk: Buffer) => {
      if (this.#take === undefined) this.#kept.push(chunk)
      else this.#give(chunk)
    })
    this.#end = finished(message).then(
      () => ({}),
      (error: unknown) => ({ error }),
    )
  }

  /** Gives all of it to `take`, until it ends. @throws what ended it early, and what `take` throws */
  async into(take: (chunk: Buffer) => void): Promise<void> {
    this.#take = take
    for (const chunk of this.#kept) this.#give(chunk)
    this.#kept = []
    const { error } = await this.#end
    if (this.#failure !== undefined) throw this.#failure.error
    if (error !== undefined) throw error
  }

  #failure: { error: unknown } | undefined

  #give(chunk: Buffer): void {
    if (this.#failure !== undefined) return
    try {
      this.#take?.(chunk)
    } catch (error) {
      this.#failure = { error }
      this.#message.destroy()
    }
  }
}
