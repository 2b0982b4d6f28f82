import { stat } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { EspalierError } from '../base/errors.js'
import { mustBeWritable } from '../base/files.js'
import { inputFileOf } from '../config/given-inputs.js'
import type { Config } from '../config/option.js'
import { configPath } from '../config/read.js'
import type { Plan } from '../cut/index.js'
import type { BudgetOption } from '../plan/budgets/index.js'
import { BYTES, TIME } from '../plan/budgets/target.js'
import { becomes } from '../report/plan.js'
import type { LatencyReport } from '../run/aim.js'

/** `model.pt` becomes `model-small.pt` with `-small`. */
export const nameWith = (path: string, word: string, ending = extname(path) || '.pt'): string =>
  `${path.slice(0, path.length - extname(path).length)}${word}${ending}`

export const smallName = (path: string): string => nameWith(path, '-small')

/** `small.pt` becomes `small.html`. */
export const pageName = (path: string): string => `${path.slice(0, path.length - extname(path).length)}.html`

/** What a command writes. */
export interface Outputs {
  /** Files that appear whole, in the place of what is there. */
  whole: readonly (string | undefined)[]
  /** Files that are written line by line. */
  lines?: readonly (string | undefined)[]
}

/**
 * What is written must be able to be written, before there is any work: no folder, and in one that is there. And it must be none of the
 * files that are read, which stay as they are, nor another one that is written.
 *
 * @param read the model, or what else is the first of it, and other files; what is no path of a file counts for nothing
 * @throws ERR_INVALID_ARGUMENT; ERR_WRITE
 */
export async function checkOutputs(
  read: readonly [string, ...string[]],
  { whole, lines = [] }: Outputs,
): Promise<void> {
  const [given, ...others] = read
  const written = [...whole, ...lines].filter((path) => path !== undefined)
  for (const [k, path] of written.entries()) {
    if (await isSame(given, path)) throw refused(`${path} is ${nounOf(given)} itself, which stays as it is`)
    for (const other of others) {
      if (await isSame(other, path)) throw refused(`${path} is read by this command, and would be replaced`)
    }
    if (written.slice(0, k).some((other) => resolve(other) === resolve(path))) {
      throw new EspalierError('ERR_INVALID_ARGUMENT', `${path} would be written twice, as two different things`)
    }
  }
  for (const path of whole) if (path !== undefined) await mustBeWritable(path)
  for (const path of lines) if (path !== undefined) await mustBeWritable(path, { inPlace: true })
}

const refused = (words: string) =>
  new EspalierError('ERR_INVALID_ARGUMENT', words, { hint: 'Name another file: -o small.pt' })

const nounOf = (path: string): string => (extname(path) === '.jsonl' ? 'the trajectory' : 'the model')

/** The files that a command reads beside the model: its config, and what that names. */
export const readBeside = (config: Config, file: string | undefined): string[] => [
  ...filesOf(config),
  ...[configPath(file)].filter((path) => path !== undefined),
]

/** Paths that a config names: example inputs, data, what is to be learnt from them, a teacher. */
function filesOf(config: Config): string[] {
  const inputs = (Array.isArray(config.inputs) ? config.inputs : [])
    .map(inputFileOf)
    .filter((path) => path !== undefined)
  const { train, validation, labels } = (config.data ?? {}) as Config
  const others = [config.data, train, validation, labels, config.labels, config.teacher].flatMap((said) => {
    const { name, target, module } = (typeof said === 'object' ? (said ?? {}) : { name: said }) as Config
    return [name, target, module].filter((path) => typeof path === 'string')
  })
  return [...inputs, ...others]
}

async function isSame(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => stat(path, { bigint: true }).catch(() => undefined)))
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev
}

/** `latency 16.1 ms -> 8.05 ms (50.0 %); 8.1 ms were asked for, 7.98 ms foretold`. */
export const latencyInWords = ({ asked, predicted, real }: LatencyReport): string =>
  `latency     ${becomes(real, TIME.show)}; ${TIME.show(asked)} were asked for, ${TIME.show(predicted)} foretold`

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
