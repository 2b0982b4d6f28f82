import type { Box, Picture } from './boxes.js'
import { parentOf } from './modules.js'

/** Boxes that can be drawn as one: those of a module, of modules that follow each other and are alike, or a part of a long list. */
export interface Fold {
  name: string
  /** How many modules are alike; 1 for all else. */
  alike: number
  /** Ids of boxes, and what folds within, in the order of execution. */
  parts: readonly Part[]
}

export type Part = number | Fold

/** More parts than so many become parts of parts. */
const MOST_PARTS = 40

/** The tree in which the boxes of a picture fold. The root is never folded. */
export function foldsOf({ boxes }: Picture): Fold {
  const parts = partsOf('', boxes, boxes)
  const [only] = parts
  return parts.length === 1 && typeof only === 'object' ? only : { name: '', alike: 1, parts }
}

/** What is directly in a module. @param inside all boxes that are somewhere in it */
function partsOf(path: string, inside: readonly Box[], all: readonly Box[]): Part[] {
  const children = new Map<string, Box[]>()
  const parts: (number | string)[] = []
  for (const box of inside) {
    const child = childOf(path, box.module)
    if (child === undefined) {
      parts.push(box.id)
      continue
    }
    const known = children.get(child)
    if (known !== undefined) known.push(box)
    else {
      children.set(child, [box])
      parts.push(child)
    }
  }
  const folded = parts.map((part): Part => {
    if (typeof part === 'number') return part
    const own = partsOf(part, children.get(part) as Box[], all)
    return own.length === 1 ? (own[0] as Part) : { name: part, alike: 1, parts: own }
  })
  return shortened(withAlike(folded, all))
}

/** `a.b` in which `a.b.c` is, of `a`; undefined for what is in `a` itself. */
function childOf(path: string, module: string): string | undefined {
  if (module === path) return undefined
  const parent = parentOf(module)
  return parent === path || module === '' ? module || undefined : childOf(path, parent)
}

/** Modules that follow each other and have the same operators become one. */
function withAlike(parts: readonly Part[], boxes: readonly Box[]): Part[] {
  const runs: { part: Part; key: string | undefined; own: Fold[] }[] = []
  for (const part of parts) {
    const key = typeof part === 'number' ? undefined : keyOf(part, boxes)
    const last = runs.at(-1)
    if (key !== undefined && last?.key === key) last.own.push(part as Fold)
    else runs.push({ part, key, own: typeof part === 'number' ? [] : [part] })
  }
  return runs.map(({ part, own }) => {
    if (own.length < 2) return part
    return { name: `${own[0]?.name} … ${own.at(-1)?.name}`, alike: own.length, parts: shortened(own) }
  })
}

const keyOf = (fold: Fold, boxes: readonly Box[]): string =>
  boxesOf(fold)
    .map((id) => boxes[id]?.operators.join(' '))
    .join(', ')

function shortened(parts: Part[]): Part[] {
  if (parts.length <= MOST_PARTS) return parts
  const length = Math.max(Math.ceil(Math.sqrt(parts.length)), Math.ceil(parts.length / MOST_PARTS))
  return Array.from({ length: Math.ceil(parts.length / length) }, (_, k): Fold => {
    const own = parts.slice(k * length, (k + 1) * length)
    return { name: `part ${k + 1}`, alike: 1, parts: shortened(own) }
  })
}

/** Ids of the boxes in a part, in order. */
export const boxesOf = (part: Part): number[] => (typeof part === 'number' ? [part] : part.parts.flatMap(boxesOf))
