/** The pages of the documents, and the fenced blocks in them. */
import { readdirSync, readFileSync } from 'node:fs'
import { ROOT } from '../docstrings.js'

/** README.md and all of docs/, by their path from the root. */
export const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync(`${ROOT}docs`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
    .sort(),
]

export const textOf = (page: string): string => readFileSync(ROOT + page, 'utf8')

export interface Block {
  page: string
  /** Where its first line of code is, from 1. */
  line: number
  language: string
  /** What stands behind the language. */
  info: string
  /** Without the indentation of the fence. */
  code: string
  /** The name of a file, where the first line is a comment that is one: the block is that file. */
  file: string | undefined
  /** What the block prints, where the page shows it: the `text` block that follows. */
  output: { text: string; similar: boolean } | undefined
}

const FENCE = /^( *)```(\w*)([^\n]*)\n([\s\S]*?)^\1```$/gm
const FILE = /^(?:\/\/|#) ([\w./-]+\.\w+)$/

/** Fenced blocks, in their order. A `text` block belongs to the one before it. */
export function blocksOf(page: string, text = textOf(page)): Block[] {
  const blocks: Block[] = []
  for (const { 0: whole, 1: indent = '', 2: language = '', 3: info = '', 4: body = '', index } of text.matchAll(
    FENCE,
  )) {
    const code = body.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    const before = blocks.at(-1)
    if (language === 'text' && before) before.output = { text: code, similar: info.trim() === 'similar' }
    else {
      const line = text.slice(0, index + whole.indexOf('\n')).split('\n').length + 1
      const file = FILE.exec(code.split('\n')[0]!)?.[1]
      blocks.push({ page, line, language, info: info.trim(), code, file, output: undefined })
    }
  }
  return blocks
}

/** The page with what its blocks really print, in place of what it shows. */
export function withOutputs(page: string, printed: ReadonlyMap<number, string>): string {
  const text = textOf(page)
  const lines = blocksOf(page, text).map(({ line }) => line)
  let k = -1
  return text.replaceAll(FENCE, (whole, indent: string, language: string, info: string) => {
    if (language !== 'text') k++
    const output = printed.get(lines[k] ?? 0)
    if (language !== 'text' || output === undefined) return whole
    return `${indent}\`\`\`text${info}\n${output.replace(/^(?=.)/gm, indent)}${indent}\`\`\``
  })
}
