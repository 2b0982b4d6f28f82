/** Runs the blocks of a page, one after the other, in the folder that a reader would be in. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { python } from '../../support/python.js'
import { ROOT } from '../docstrings.js'
import type { Block } from './blocks.js'
import { placeProgram } from './folder.js'
import { NOT_RUN } from './not-run.js'

/** Pictures of a thought, no programs. */
const NO_CODE = new Set(['mermaid'])

export const needsPython = (blocks: readonly Block[]): boolean =>
  blocks.some(({ language, code }) => language === 'python' || /\bpython\b/.test(language === 'sh' ? toRun(code) : ''))

/** A block of commands without those that are not run here. */
function toRun(code: string): string {
  return code
    .split('\n')
    .filter((line) => !NOT_RUN.has(line.trim()))
    .join('\n')
}

/** Code of Espalier itself, as a page for contributors shows it: it is checked where it would be. */
export const isOwn = ({ file }: Block): boolean => file?.startsWith('lib/') === true

export interface Ran {
  /** What it printed; undefined where nothing was run. */
  printed: string | undefined
}

/** @throws Error with all that a block printed, where it fails */
export function runBlock(folder: string, block: Block): Ran {
  const { language, code, file } = block
  if (NO_CODE.has(language) || isOwn(block)) return { printed: undefined }
  const kind = KINDS[language]
  if (!kind) throw new Error(`${where(block)}: nothing here runs a block of '${language}'`)
  if (file !== undefined) {
    writeFileSync(join(folder, file), code)
    return { printed: undefined }
  }
  return { printed: kind(folder, block) }
}

type Kind = (folder: string, block: Block) => string | undefined

const KINDS: Readonly<Record<string, Kind>> = {
  ts: (folder, block) =>
    run(folder, block, process.execPath, [placeProgram(folder, programName(block), block.code).js]),
  js: (folder, block) => {
    const path = join(folder, `${programName(block)}.js`)
    writeFileSync(path, block.code)
    return run(folder, block, process.execPath, [path])
  },
  python: (folder, block) => {
    const path = join(folder, `${programName(block)}.py`)
    writeFileSync(path, block.code)
    return run(folder, block, 'python', [path])
  },
  sh: (folder, block) => {
    const commands = toRun(block.code)
    if (commands.trim() === '') return undefined
    // As npx finds it in node_modules, without asking a registry for what is not there.
    return run(folder, block, 'bash', ['--norc', '-eo', 'pipefail', '-c', `npx() { "$@"; }\n${commands}`])
  },
  json: (_, { code }) => void JSON.parse(code),
  cpp: fileOnly,
  cmake: fileOnly,
}

function fileOnly(_: string, block: Block): never {
  throw new Error(`${where(block)}: the first line has to be a comment with the name of its file`)
}

export const where = ({ page, line }: Block): string => `${page}:${line}`
export const programName = ({ line }: Block): string => `block-${line}`

function run(folder: string, block: Block, command: string, args: readonly string[]): string {
  const own = [
    join(folder, 'node_modules/.bin'),
    join(ROOT, 'node_modules/.bin'),
    ...(python === undefined ? [] : [dirname(python)]),
  ]
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 400_000,
    env: { ...process.env, PATH: [...own, process.env.PATH].join(delimiter), NO_COLOR: '1', BASH_ENV: undefined },
  })
  if (status === 0) return stdout
  throw new Error(`${where(block)} ended with ${status ?? error}:\n${stdout}\n${stderr}`)
}
