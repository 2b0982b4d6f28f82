/** Memory of the device: arrays at their addresses. Every access is checked for bounds and alignment. */
export class Memory {
  readonly #arrays: { start: bigint; view: DataView }[] = []

  add(start: bigint, bytes: Uint8Array): void {
    this.#arrays.push({ start, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) })
  }

  at(address: bigint, size: number): { view: DataView; offset: number } {
    if (address % BigInt(size) !== 0n)
      throw new Error(`misaligned access of ${size} bytes at 0x${address.toString(16)}`)
    for (const { start, view } of this.#arrays) {
      const offset = Number(address - start)
      if (offset >= 0 && offset + size <= view.byteLength) return { view, offset }
    }
    throw new Error(`access of ${size} bytes out of bounds at 0x${address.toString(16)}`)
  }
}

interface Word {
  writer: number
  /** The stretch between two barriers in which it was written. */
  written: number
  readers: Set<number>
  read: number
}

/** Shared memory of one block; what two threads touch without a barrier between them is an error. */
export class SharedMemory {
  readonly view: DataView
  readonly #words: Word[]
  epoch = 0

  constructor(bytes: number) {
    this.view = new DataView(new ArrayBuffer(bytes))
    this.#words = Array.from({ length: Math.ceil(bytes / 4) }, () => ({
      writer: -1,
      written: -1,
      readers: new Set(),
      read: -1,
    }))
  }

  access(offset: number, size: number, thread: number, writes: boolean): { view: DataView; offset: number } {
    if (offset < 0 || offset + size > this.view.byteLength) throw new Error(`shared access out of bounds at ${offset}`)
    if (offset % size !== 0) throw new Error(`misaligned shared access of ${size} bytes at ${offset}`)
    for (let k = offset >> 2; k < (offset + size + 3) >> 2; k++) this.#touch(this.#words[k]!, thread, writes)
    return { view: this.view, offset }
  }

  #touch(word: Word, thread: number, writes: boolean): void {
    if (!writes && word.written < 0) throw new Error('shared memory is read that nobody has written')
    if (word.written === this.epoch && word.writer !== thread) {
      throw new Error(`race: thread ${thread} ${writes ? 'writes' : 'reads'} what thread ${word.writer} writes`)
    }
    if (word.read !== this.epoch) {
      word.readers.clear()
      word.read = this.epoch
    }
    if (!writes) {
      word.readers.add(thread)
      return
    }
    for (const reader of word.readers) {
      if (reader !== thread) throw new Error(`race: thread ${thread} writes what thread ${reader} reads`)
    }
    word.writer = thread
    word.written = this.epoch
  }
}
