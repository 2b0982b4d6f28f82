// What each instruction does to a thread, its block and the memory.

import {
  compare,
  FLOAT,
  fromFloat,
  fromSixteen,
  INTEGER,
  INTEGER32,
  PREDICATE,
  SIXTEEN,
  toFloat,
  toSixteen,
  type Value,
} from './arithmetic.js'
import type { Memory, SharedMemory } from './memory.js'
import { type Instruction, type Kernel, sizeOf } from './parse.js'

export const WARP = 32

export interface Thread {
  index: number
  block: number
  registers: Map<string, Value>
  next: number
  waits: Wait | undefined
  done: boolean
}

export type Wait =
  | { kind: 'barrier'; vote: boolean; to: string | undefined }
  | { kind: 'shuffle'; value: number; from: number; to: string }

export interface Block {
  kernel: Kernel
  memory: Memory
  shared: SharedMemory
  parameters: DataView
}

export function read(thread: Thread, operand: string): Value {
  if (operand === '%tid.x') return thread.index
  if (operand === '%ctaid.x') return thread.block
  if (operand.startsWith('%')) {
    const value = thread.registers.get(operand)
    if (value === undefined) throw new Error(`${operand} has no value`)
    return value
  }
  if (operand.startsWith('0f')) return Number.parseInt(operand.slice(2), 16)
  return BigInt(operand.replace(/U$/, ''))
}

/** As an integer of a type: sign extended for s types, else the bits. */
function integer(thread: Thread, operand: string, type: string): bigint {
  const value = read(thread, operand)
  const bits = 8 * sizeOf(type)
  return type.startsWith('s') ? BigInt.asIntN(bits, BigInt(value)) : BigInt.asUintN(bits, BigInt(value))
}
const small = (thread: Thread, operand: string): number => Number(BigInt.asUintN(32, BigInt(read(thread, operand))))
/** A number as it is, which most are. */
function word(thread: Thread, operand: string): number {
  const value = thread.registers.get(operand)
  return typeof value === 'number' ? value : small(thread, operand)
}

/** Bits of a result as a register keeps them. */
const cut = (value: bigint, bits: number): Value => {
  const unsigned = BigInt.asUintN(bits, value)
  return bits === 64 ? unsigned : Number(unsigned)
}

type Step = (block: Block, thread: Thread, instruction: Instruction) => void

/** By the first part of the operation; others go by their type. */
const STEPS: Readonly<Record<string, Step>> = {
  ret: (_, thread) => {
    thread.done = true
  },
  bra: ({ kernel }, thread, { operands }) => {
    const to = kernel.labels.get(operands[0]!)
    if (to === undefined) throw new Error('no such label')
    thread.next = to
  },
  bar: (_, thread, { op, operands }) => {
    const isVote = op[1] === 'red'
    const vote = isVote && read(thread, operands.at(-1)!) === true
    thread.waits = { kind: 'barrier', vote, to: isVote ? operands[0]! : undefined }
  },
  shfl: (_, thread, { op, operands }) => {
    if (op[2] !== 'bfly') throw new Error('unknown shuffle')
    const [to, predicate] = operands[0]!.split('|')
    if (predicate !== undefined) thread.registers.set(predicate, true)
    const from = (thread.index % WARP) ^ small(thread, operands[2]!)
    thread.waits = { kind: 'shuffle', value: small(thread, operands[1]!), from, to: to! }
  },
  ld: (block, thread, instruction) => transfer(block, thread, instruction, false),
  st: (block, thread, instruction) => transfer(block, thread, instruction, true),
  mov: ({ kernel }, thread, instruction) => move(kernel, thread, instruction),
  cvta: ({ kernel }, thread, instruction) => move(kernel, thread, instruction),
  setp: (_, thread, { op, operands: [to, a, b] }) => {
    const [, how, type] = [op[0], op[1]!, op.at(-1)!]
    const [x, y] =
      type === 'f32'
        ? [toFloat(read(thread, a!)), toFloat(read(thread, b!))]
        : [integer(thread, a!, type), integer(thread, b!, type)]
    thread.registers.set(to!, compare(how, x, y))
  },
  selp: (_, thread, { op, operands: [to, a, b, which] }) => {
    const chosen = read(thread, which!) === true ? a! : b!
    const type = op.at(-1)!
    const bits = type === 'f32' ? BigInt(read(thread, chosen)) : integer(thread, chosen, type.replace('s', 'u'))
    thread.registers.set(to!, cut(bits, 8 * sizeOf(type)))
  },
  cvt: (_, thread, { op, operands: [to, from] }) =>
    thread.registers.set(to!, converted(thread, from!, op.at(-2)!, op.at(-1)!)),
}

/** The address of a variable or parameter is its offset: the instruction that uses it names the memory. */
function move({ shared, parameters }: Kernel, thread: Thread, { op, operands }: Instruction): void {
  const [to, from] = operands as [string, string]
  const variable = shared.get(from) ?? parameters.find(({ name }) => name === from)?.offset
  if (variable !== undefined) thread.registers.set(to, BigInt(variable))
  else if (to.startsWith('{') || from.startsWith('{')) moveParts(thread, to, from, 8 * sizeOf(op.at(-1)!))
  else {
    const value = read(thread, from)
    thread.registers.set(to, typeof value === 'bigint' && !to.startsWith('%rd') ? cut(value, 32) : value)
  }
}

const registersOf = (vector: string): string[] => vector.replace(/[{}\s]/g, '').split(',')

/** A register as its equal parts, the lowest first, or from them. */
function moveParts(thread: Thread, to: string, from: string, bits: number): void {
  const [targets, sources] = [registersOf(to), registersOf(from)]
  const part = BigInt(bits / Math.max(targets.length, sources.length))
  const mask = (1n << part) - 1n
  const bitsOf = (source: string) => BigInt(read(thread, source))
  const joined = () => sources.reduce((all, source, k) => all | ((bitsOf(source) & mask) << (part * BigInt(k))), 0n)
  const whole = sources.length === 1 ? bitsOf(from) : joined()
  if (targets.length === 1) thread.registers.set(to, cut(whole, bits))
  else {
    for (const [k, target] of targets.entries()) {
      thread.registers.set(target, cut((whole >> (part * BigInt(k))) & mask, Number(part)))
    }
  }
}

function converted(thread: Thread, from: string, toType: string, fromType: string): Value {
  const half = SIXTEEN[fromType]
  const value =
    half !== undefined
      ? fromSixteen(small(thread, from), ...half)
      : fromType === 'f32'
        ? toFloat(read(thread, from))
        : undefined
  const toHalf = SIXTEEN[toType]
  const number = (): number => value ?? Number(integer(thread, from, fromType))
  if (toHalf !== undefined) return toSixteen(number(), ...toHalf)
  if (toType === 'f32') return fromFloat(number())
  if (value !== undefined) throw new Error('a float as an integer is not known')
  return cut(integer(thread, from, fromType), 8 * sizeOf(toType))
}

/** ld and st, of vectors too. */
function transfer(block: Block, thread: Thread, { op, operands }: Instruction, stores: boolean): void {
  const type = op.at(-1)!
  const size = sizeOf(type)
  const registers = registersOf(operands[stores ? 1 : 0]!)
  const [, base, shift] = /^\[([^\]+]+)(?:\+(-?\d+))?\]$/.exec(operands[stores ? 0 : 1]!)!
  const { view, offset } = place(block, thread, op[1]!, base!, Number(shift ?? 0), size * registers.length, stores)
  registers.forEach((register, k) => {
    const at = offset + k * size
    if (stores) store(view, at, size, read(thread, register))
    else thread.registers.set(register, load(view, at, size))
  })
}

function place(
  block: Block,
  thread: Thread,
  space: string,
  base: string,
  shift: number,
  size: number,
  stores: boolean,
) {
  if (space === 'param') {
    const parameter = block.kernel.parameters.find(({ name }) => name === base)
    const offset = (parameter?.offset ?? Number(read(thread, base))) + shift
    return { view: block.parameters, offset }
  }
  if (space === 'shared') {
    const offset = block.kernel.shared.get(base) ?? small(thread, base)
    return block.shared.access(offset + shift, size, thread.index, stores)
  }
  if (space !== 'global') throw new Error(`memory .${space} is not known`)
  return block.memory.at(BigInt.asUintN(64, BigInt(read(thread, base)) + BigInt(shift)), size)
}

const LITTLE = true
function load(view: DataView, at: number, size: number): Value {
  if (size === 8) return view.getBigUint64(at, LITTLE)
  return size === 4 ? view.getUint32(at, LITTLE) : size === 2 ? view.getUint16(at, LITTLE) : view.getUint8(at)
}
function store(view: DataView, at: number, size: number, value: Value): void {
  if (size === 8) view.setBigUint64(at, BigInt(value), LITTLE)
  else if (size === 4) view.setUint32(at, Number(BigInt.asUintN(32, BigInt(value))), LITTLE)
  else if (size === 2) view.setUint16(at, Number(value), LITTLE)
  else view.setUint8(at, Number(value))
}

export function step(block: Block, thread: Thread, instruction: Instruction): void {
  const { op, operands } = instruction
  const own = STEPS[op[0]!]
  const type = op.at(-1)!
  if (own !== undefined) own(block, thread, instruction)
  else if (type === 'pred') thread.registers.set(operands[0]!, predicate(thread, instruction))
  else if (type === 'f32') {
    const compute = FLOAT[op[0]!]
    if (compute === undefined) throw new Error('not known')
    const [, a, b, c] = operands
    const float = (operand: string | undefined) => (operand === undefined ? 0 : toFloat(read(thread, operand)))
    thread.registers.set(operands[0]!, fromFloat(compute(float(a), float(b), float(c))))
  } else thread.registers.set(operands[0]!, computed(thread, instruction))
}

function predicate(thread: Thread, { op, operands: [, a, b] }: Instruction): boolean {
  const compute = PREDICATE[op[0]!]
  if (compute === undefined) throw new Error('not known')
  const truth = (operand: string | undefined): boolean => operand !== undefined && Boolean(read(thread, operand))
  return compute(truth(a), truth(b))
}

function computed(thread: Thread, { op, operands: [, a, b, c] }: Instruction): Value {
  const type = op.at(-1)!
  const bits = 8 * sizeOf(type)
  const quick = INTEGER32[op[0]!]
  // Minimum and maximum depend on the sign; what else is in the table doesn't.
  if (quick !== undefined && bits === 32 && !(type === 's32' && /^m/.test(op[0]!))) {
    return quick(word(thread, a!), b === undefined ? 0 : word(thread, b)) >>> 0
  }
  const compute = INTEGER[op[0]!]
  if (compute === undefined) throw new Error('not known')
  const isShift = op[0] === 'shl' || op[0] === 'shr'
  const x = integer(thread, a!, type)
  const y = b === undefined ? 0n : integer(thread, b, isShift ? 'u32' : type)
  const z = c === undefined ? 0n : integer(thread, c, op[1] === 'wide' ? type.replace('32', '64') : type)
  const result = compute(x, y, z)
  if (op[1] === 'wide') return cut(result, 2 * bits)
  return cut(op[1] === 'hi' ? result >> BigInt(bits) : result, bits)
}
