// Runs a kernel's instructions, thread by thread, block by block. A thread runs until it waits for others.

import { type Memory, SharedMemory } from './memory.js'
import type { Kernel } from './parse.js'
import { type Block, read, step, type Thread, WARP, type Wait } from './steps.js'

/**
 * Runs a kernel over all blocks of a grid.
 *
 * @param parameters the bytes of each parameter
 * @returns number of instructions run
 * @throws Error naming block, thread and instruction: an access out of bounds or misaligned, a register that nobody wrote, a
 *   race in shared memory, a barrier that not all threads reach, an instruction that is not known
 */
export function launch(
  kernel: Kernel,
  memory: Memory,
  blocks: number,
  threads: number,
  parameters: readonly Uint8Array[],
): number {
  const all = new Uint8Array(kernel.parameterBytes)
  if (parameters.length !== kernel.parameters.length)
    throw new Error(`${kernel.name} has ${kernel.parameters.length} parameters`)
  kernel.parameters.forEach(({ offset, size }, k) => {
    if (parameters[k]!.length !== size)
      throw new Error(`parameter ${k} has ${size} bytes, not ${parameters[k]!.length}`)
    all.set(parameters[k]!, offset)
  })
  let count = 0
  for (let block = 0; block < blocks; block++) {
    const shared = new SharedMemory(kernel.sharedBytes)
    count += runBlock({ kernel, memory, shared, parameters: new DataView(all.buffer) }, block, threads)
  }
  return count
}

function runBlock(block: Block, number: number, count: number): number {
  const threads = Array.from({ length: count }, (_, index): Thread => {
    return { index, block: number, registers: new Map(), next: 0, waits: undefined, done: false }
  })
  let instructions = 0
  for (;;) {
    for (const thread of threads) if (thread.waits === undefined) instructions += runThread(block, thread)
    if (threads.every(({ done }) => done)) return instructions
    if (!shuffled(threads)) passBarrier(block, threads)
  }
}

/** Until it waits or ends. */
function runThread(block: Block, thread: Thread): number {
  let count = 0
  while (!thread.done && thread.waits === undefined) {
    const instruction = block.kernel.code[thread.next++]
    if (instruction === undefined) throw new Error('the code ends without ret')
    try {
      const { guard } = instruction
      if (guard === undefined || read(thread, guard.register) !== guard.negated) step(block, thread, instruction)
    } catch (error) {
      throw new Error(`block ${thread.block}, thread ${thread.index}: ${instruction.text}: ${(error as Error).message}`)
    }
    count++
  }
  return count
}

/** Gives every warp whose threads all shuffle what they asked for. */
function shuffled(threads: readonly Thread[]): boolean {
  let any = false
  for (let first = 0; first < threads.length; first += WARP) {
    const warp = threads.slice(first, first + WARP)
    const waits = warp.map((thread) => thread.waits)
    if (!waits.every((wait) => wait?.kind === 'shuffle')) continue
    any = true
    warp.forEach((thread, lane) => {
      const { from, to } = waits[lane] as Wait & { kind: 'shuffle' }
      thread.registers.set(to, (waits[from] as Wait & { kind: 'shuffle' }).value)
      thread.waits = undefined
    })
  }
  return any
}

function passBarrier(block: Block, threads: readonly Thread[]): void {
  const waits = threads.map((thread) => thread.waits)
  if (!waits.every((wait) => wait?.kind === 'barrier'))
    throw new Error(`block ${threads[0]!.block}: not all threads reach a barrier`)
  const vote = waits.some((wait) => (wait as Wait & { kind: 'barrier' }).vote)
  threads.forEach((thread, k) => {
    const { to } = waits[k] as Wait & { kind: 'barrier' }
    if (to !== undefined) thread.registers.set(to, vote)
    thread.waits = undefined
  })
  block.shared.epoch++
}
