import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { EspalierError, Tensor } from 'espalier'
import type { TypedArray } from 'espalier/torch'
import { expect } from 'vitest'

const fixtures = new URL('../fixtures/', import.meta.url)

/** Path of a file that test/fixtures/make.py made. */
export function model(name: string): string {
  return fileURLToPath(new URL(`models/${name}`, fixtures))
}

/** What PyTorch computed with them. */
export const expected = JSON.parse(readFileSync(new URL('expected.json', fixtures), 'utf8')) as {
  small: {
    x: number[]
    output: number[]
    target: number[]
    loss: number
    'grad of conv.bias': number[]
    double: number[]
  }
  tied: { tokens: number[]; output: number[] }
  'own statistics': { x: number[]; output: number[] }
}

/** The example input of the small model. */
export function smallInput(): Tensor {
  return Tensor.from(expected.small.x, [2, 3, 4, 4])
}

export function numbers(data: Tensor | TypedArray): number[] {
  return Array.from<number | bigint, number>(data instanceof Tensor ? data.data() : data, Number)
}

/** Every element within `tolerance` of its counterpart. */
export function expectClose(actual: Tensor, wanted: readonly number[], tolerance = 1e-6): void {
  const values = numbers(actual)
  expect(values.length).toBe(wanted.length)
  const worst = Math.max(...values.map((value, i) => Math.abs(value - wanted[i]!)))
  expect(worst).toBeLessThanOrEqual(tolerance)
}

/** The EspalierError that `action` throws or rejects with. */
export async function failure(action: () => unknown): Promise<EspalierError> {
  try {
    await action()
  } catch (error) {
    expect(error).toBeInstanceOf(EspalierError)
    return error as EspalierError
  }
  throw new Error('nothing was thrown')
}
