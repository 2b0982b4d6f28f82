// The text of PTX as nvcc writes it, as data. Reference: NVIDIA, PTX ISA.

export interface Instruction {
  /** Runs only where this predicate holds, or doesn't. */
  guard: { register: string; negated: boolean } | undefined
  /** `ld.global.v4.f32` as its parts. */
  op: readonly string[]
  /** Registers, numbers, names; `[base+8]` and `{%f1,%f2}` are one operand each. */
  operands: readonly string[]
  text: string
}

export interface Kernel {
  name: string
  parameters: readonly { name: string; offset: number; size: number }[]
  parameterBytes: number
  /** Offsets of the variables in shared memory. */
  shared: ReadonlyMap<string, number>
  sharedBytes: number
  code: readonly Instruction[]
  labels: ReadonlyMap<string, number>
}

const SIZES: Readonly<Record<string, number>> = {
  b8: 1,
  u8: 1,
  s16: 2,
  u16: 2,
  b16: 2,
  u32: 4,
  s32: 4,
  b32: 4,
  f32: 4,
  u64: 8,
  s64: 8,
  b64: 8,
}
export const sizeOf = (type: string): number => {
  const size = SIZES[type]
  if (size === undefined) throw new Error(`unknown type .${type}`)
  return size
}

const aligned = (offset: number, alignment: number): number => Math.ceil(offset / alignment) * alignment

/** All kernels of a module. */
export function parse(text: string): Kernel[] {
  const source = text.replace(/\/\/.*$/gm, '')
  const entries = source.matchAll(/\.entry\s+(\w+)\(([^)]*)\)[^{]*\{([\s\S]*?)\n\}/g)
  // Shared memory may be declared before the kernels that use it.
  const declared = source.replace(/\{[\s\S]*?\n\}/g, '')
  return [...entries].map(([, name, parameters, body]) => kernelOf(name!, parameters!, body!, declared))
}

function kernelOf(name: string, parameterText: string, body: string, declared: string): Kernel {
  let parameterBytes = 0
  const parameters = [...parameterText.matchAll(/\.param\s+(?:\.align (\d+)\s+)?\.(\w+)\s+(\w+)(?:\[(\d+)\])?/g)].map(
    ([, alignment, type, parameter, count]) => {
      const size = sizeOf(type!) * Number(count ?? 1)
      const offset = aligned(parameterBytes, Number(alignment ?? size))
      parameterBytes = offset + size
      return { name: parameter!, offset, size }
    },
  )
  const shared = new Map<string, number>()
  let sharedBytes = 0
  for (const [, alignment, type, variable, count] of (declared + body).matchAll(
    /\.shared\s+\.align (\d+)\s+\.(\w+)\s+(\w+)(?:\[(\d+)\])?;/g,
  )) {
    if (!body.includes(variable!)) continue
    const offset = aligned(sharedBytes, Number(alignment))
    shared.set(variable!, offset)
    sharedBytes = offset + sizeOf(type!) * Number(count ?? 1)
  }

  const code: Instruction[] = []
  const labels = new Map<string, number>()
  // Inline assembly stands in braces of its own, which are not those of a vector.
  const statements = body.replace(/\{(?!\s*%)/g, '').replace(/(?<![%\w]\s*)\}/g, '')
  for (const line of statements.split(/[;\n]/)) {
    const trimmed = line.trim()
    const label = /^([$\w]+):$/.exec(trimmed)
    if (label) labels.set(label[1]!, code.length)
    else if (trimmed !== '' && !trimmed.startsWith('.')) code.push(instructionOf(trimmed))
  }
  return { name, parameters, parameterBytes, shared, sharedBytes, code, labels }
}

function instructionOf(text: string): Instruction {
  const parts = /^(?:@(!?)(%p\d+)\s+)?([\w.]+)\s*(.*)$/.exec(text)
  if (parts === null) throw new Error(`can't be read: ${text}`)
  const [, not, guard, op, operands] = parts
  return {
    guard: guard === undefined ? undefined : { register: guard, negated: not === '!' },
    op: op!.split('.'),
    operands: operands!.match(/\{[^}]*\}|\[[^\]]*\]|[^,\s]+/g) ?? [],
    text,
  }
}
