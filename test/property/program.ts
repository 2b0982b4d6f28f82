import { Random } from '../../lib/base/random.js'
import type { DType } from '../../lib/record/record.js'
import { CASTS } from './kinds/half.js'
import { SIZES } from './kinds/sizes.js'
import { STATES } from './kinds/state.js'
import { TABLES } from './kinds/tables.js'
import { KINDS, type Kind, type Shape } from './kinds.js'

/** One statement: what it reads (indices of earlier values) and the numbers that it was drawn with. */
export interface Step {
  kind: string
  reads: readonly number[]
  numbers: readonly number[]
}

/** A straight list of statements over values without their batch dimension. Value 0 is the input. */
export interface Program {
  seed: number
  input: Shape
  steps: readonly Step[]
  /** Of all that has no dtype of its own; float32 by default. */
  dtype?: DType
}

/** TorchScript source and the shapes of the tensors that it names. */
export interface Source {
  text: string
  parameters: Record<string, { shape: number[]; zero: boolean; dtype?: DType }>
  buffers: Record<string, number[]>
  /** Buffers of indices, with their values. */
  indices?: Record<string, readonly number[]>
  /**
   * There is a method `part`, of the same input: `given` to the recording, or `left` to what its code shows; or `inner`: `forward`
   * is a call of it, that never takes its branch `deep`.
   */
  part?: 'given' | 'left' | 'inner'
}

/** Which networks have a method beside `forward`. */
const PARTS = [undefined, 'given', 'inner', 'left', undefined] as const

const CATALOGUE: Readonly<Record<string, Kind>> = { ...KINDS, ...TABLES, ...SIZES, ...STATES, ...CASTS }

const kindOf = (step: Step) => CATALOGUE[step.kind] as Kind

/** Shapes of the input and of what each step makes. */
export function shapesOf({ input, steps }: Pick<Program, 'input' | 'steps'>): Shape[] {
  const shapes: Shape[] = [input]
  for (const step of steps) {
    shapes.push(
      kindOf(step).shape(
        step.reads.map((r) => shapes[r] as Shape),
        step.numbers,
      ),
    )
  }
  return shapes
}

export type Picking = <T>(list: readonly T[]) => T

export const picking =
  (random: Random): Picking =>
  (list) =>
    list[Math.floor(random.uniform() * list.length)]!

/** Adds a step of a kind where one fits. */
export function addStep(name: string, input: Shape, steps: Step[], random: Random): boolean {
  const shapes = shapesOf({ input, steps })
  // Mostly the newest values, so that programs are deep rather than wide.
  const fits = shapes.map((_, k) => k).filter((k) => random.uniform() < (k > shapes.length - 4 ? 0.9 : 0.25))
  const drawn = CATALOGUE[name]?.draw(shapes, fits.reverse(), picking(random))
  if (!drawn) return false
  steps.push({ kind: name, ...drawn })
  return true
}

/** A program of about `length` steps; every fourth is sure to hold a hostile one. */
export function drawProgram(seed: number, length: number): Program {
  const random = new Random(seed)
  const pick = picking(random)
  const input: Shape = [pick([2, 3, 4]), 4, 4]
  const steps: Step[] = []
  const names = Object.keys(KINDS)
  const hostile = names.filter((name) => KINDS[name]?.hostile)
  const add = (name: string) => addStep(name, input, steps, random)
  add('conv')
  const wanted = seed % 4 === 0 ? pick(hostile) : undefined
  for (let tries = 0; steps.length < length && tries < 20 * length; tries++) {
    add(wanted && steps.length === 3 && tries < 10 * length ? wanted : pick(names))
  }
  return { seed, input, steps }
}

export function isHostile({ steps }: Program): boolean {
  return steps.some((step) => kindOf(step).hostile)
}

/** Writes the program out: linear heads read the last value and one more that nothing else reads. */
export function emit(program: Program): Source {
  const shapes = shapesOf(program)
  const source: Source = { text: '', parameters: {}, buffers: {} }
  const code = program.steps.map((step, k) => {
    const name = `s${k}`
    return kindOf(step).emit({
      out: `v${k + 1}`,
      reads: step.reads.map((r) => `v${r}`),
      shapes: step.reads.map((r) => shapes[r] as Shape),
      numbers: step.numbers,
      parameter: (own, shape, zero = false) => {
        source.parameters[`${name}.${own}`] = { shape: [...shape], zero }
        return `self.${name}.${own}`
      },
      half: (own, shape) => {
        source.parameters[`${name}.${own}`] = { shape: [...shape], zero: false, dtype: 'bfloat16' }
        return `self.${name}.${own}`
      },
      buffer: (own, shape) => {
        source.buffers[`${name}.${own}`] = [...shape]
        return `self.${name}.${own}`
      },
      indices: (own, values) => {
        source.indices = { ...source.indices, [`${name}.${own}`]: values }
        return `self.${name}.${own}`
      },
    })
  })
  const last = shapes.length - 1
  const read = new Set(program.steps.flatMap(({ reads }) => reads))
  const unread = shapes.map((_, v) => v).filter((v) => v > 0 && v < last && !read.has(v))
  const head = (v: number, name: string) => {
    const shape = shapes[v] as Shape
    const channels = (shape.length === 3 ? shape[0] : shape[shape.length - 1]) as number
    source.parameters[`${name}.w`] = { shape: [3, channels], zero: false }
    // Not the plain mean, which a norm before it makes constant.
    const bent = `torch.relu(v${v})`
    const pooled = shape.length === 3 ? `${bent}.mean([2, 3])` : shape.length === 2 ? `${bent}.mean(1)` : bent
    return `torch.linear(${pooled}, self.${name}.w)`
  }
  const method = (name: string, inputs: string, lines: readonly string[]) => {
    const body = lines.join('\n').split('\n')
    source.text += `def ${name}(self, ${inputs}) -> Tensor:\n${body.map((line) => `  ${line}`).join('\n')}\n`
  }
  const heads = `return ${[last, ...unread.slice(-1)].map((v, k) => head(v, `head${k}`)).join(' + ')}`
  const part = PARTS[program.seed % PARTS.length]
  if (part === 'inner') {
    const branch = `if deep:\n  v${last} = v${last}.flip([1])`
    method('part', 'v0: Tensor, deep: bool = False', [...code, branch, heads])
    method('forward', 'v0: Tensor', ['return self.part(v0)'])
  } else {
    method('forward', 'v0: Tensor', [...code, heads])
    const until = 1 + (program.seed % last)
    // One of them reads a head of forward, where the sizes allow it.
    const result = () => `return ${head(until, until === last ? 'head0' : 'other')}`
    if (part) method('part', 'v0: Tensor', [...code.slice(0, until), result()])
  }
  if (part) source.part = part
  return source
}

/** Without step `k`: what reads it reads instead what it read of the same shape. Undefined when there is no such value. */
function without(program: Program, k: number): Program | undefined {
  const shapes = shapesOf(program)
  const step = program.steps[k] as Step
  const own = (shapes[k + 1] as Shape).join()
  const used = program.steps.some(({ reads }) => reads.includes(k + 1))
  const instead = step.reads.find((r) => shapes[r]?.join() === own)
  if (used && instead === undefined) return undefined
  const renumber = (r: number) => (r === k + 1 ? (instead as number) : r > k + 1 ? r - 1 : r)
  const steps = program.steps
    .filter((_, i) => i !== k)
    .map((other) => ({ ...other, reads: other.reads.map((r) => renumber(r)) }))
  return { ...program, steps }
}

/** The smallest program that still fails, by leaving out one step after another. */
export async function shrink(program: Program, fails: (p: Program) => Promise<boolean>): Promise<Program> {
  let smallest = program
  for (let shorter = true; shorter; ) {
    shorter = false
    for (let k = smallest.steps.length - 1; k >= 0 && smallest.steps.length > 1; k--) {
      const candidate = without(smallest, k)
      if (candidate && (await fails(candidate))) {
        smallest = candidate
        shorter = true
      }
    }
  }
  return smallest
}
