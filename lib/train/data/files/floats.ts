/** A Float32Array that grows: a list of numbers would take twice the memory. */
export class Floats {
  #data = new Float32Array(1024)
  #length = 0

  push(value: number): void {
    if (this.#length === this.#data.length) {
      const larger = new Float32Array(2 * this.#length)
      larger.set(this.#data)
      this.#data = larger
    }
    this.#data[this.#length++] = value
  }

  /** What was pushed. */
  take(): Float32Array {
    return this.#data.slice(0, this.#length)
  }
}
