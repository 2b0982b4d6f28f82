import { stat } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { EspalierError } from '../base/errors.js'
import type { Plan } from '../cut/index.js'
import type { BudgetOption } from '../plan/budgets/index.js'
import { BYTES } from '../plan/budgets/target.js'
import { becomes } from '../report/plan.js'

/** `model.pt` becomes `model-small.pt` with `-small`. */
export const nameWith = (path: string, word: string, ending = extname(path) || '.pt'): string =>
  `${path.slice(0, path.length - extname(path).length)}${word}${ending}`

export const smallName = (path: string): string => nameWith(path, '-small')

/** `small.pt` becomes `small.html`. */
export const pageName = (path: string): string => `${path.slice(0, path.length - extname(path).length)}.html`

/**
 * What is written must be neither the file that it is made of, which stays as it is, nor one of the others that are written.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export async function mustBeApart(given: string, ...outputs: readonly (string | undefined)[]): Promise<void> {
  const written = outputs.filter((path) => path !== undefined)
  for (const [k, path] of written.entries()) {
    if (await isSame(given, path)) {
      throw new EspalierError('ERR_INVALID_ARGUMENT', `${path} is the model itself, which stays as it is`, {
        hint: 'Name another file: -o small.pt',
      })
    }
    if (written.slice(0, k).some((other) => resolve(other) === resolve(path))) {
      throw new EspalierError('ERR_INVALID_ARGUMENT', `${path} would be written twice, as two different things`)
    }
  }
}

async function isSame(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => stat(path, { bigint: true }).catch(() => undefined)))
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev
}

/** Sizes in words; bytes of weights and of memory where a budget asks for them. */
export function sizes(
  { params, macs, bytes, memory }: Pick<Plan, 'params' | 'macs' | 'bytes' | 'memory'>,
  budget: BudgetOption = {},
): string[] {
  const lines = [`parameters  ${becomes(params)}`, `MACs        ${becomes(macs)}`]
  if (budget.bytes !== undefined) lines.push(`weights     ${becomes(bytes, BYTES.show)}`)
  if (budget.memory !== undefined) lines.push(`memory      ${becomes(memory, BYTES.show)}`)
  return lines
}
