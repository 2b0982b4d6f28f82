import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { python } from '../../support/python.js'
import { programOf, ROOT } from '../docstrings.js'
import { promised } from '../promised.js'
import { type Block, blocksOf, PAGES, textOf, withOutputs } from './blocks.js'
import { Folders, placeProgram } from './folder.js'
import { NOT_RUN, SMALLER } from './not-run.js'
import { isOwn, needsPython, programName, runBlock, where } from './run.js'

// `ESPALIER_WRITE_OUTPUTS=1 npx vitest run test/docs/pages -t docs/guides/prune.md` puts what was printed into the page.
const WRITE = process.env.ESPALIER_WRITE_OUTPUTS === '1'

const folders = new Folders()
beforeAll(() => folders.prepare(), 120_000)
afterAll(() => folders.remove())

const pages = PAGES.map((page) => ({ page, blocks: blocksOf(page) })).filter(({ blocks }) => blocks.length > 0)

/** As it is compared: numbers may differ where the page says so, and with them the widths of columns. */
function shown(output: string, similar: boolean): string {
  const text = output.replaceAll(/[ \t]+$/gm, '').trimEnd()
  if (!similar) return text
  return text
    .replaceAll(/((?<!\S)-)?\d[\d,]*(\.\d+)?(e[+-]?\d+)?/g, '#')
    .replaceAll(/-{2,}/g, '--')
    .replaceAll(/ {2,}/g, ' ')
}

function expected({ language, code, output }: Block): { text: string; similar: boolean } | undefined {
  if (output) return output
  return language === 'ts' ? { text: promised(code).join('\n'), similar: false } : undefined
}

/** A block as it is run here. */
function smaller(block: Block): Block {
  const changes = SMALLER[block.page] ?? []
  return { ...block, code: changes.reduce((code, [from, to]) => code.replaceAll(from, to), block.code) }
}

describe('the code of', () => {
  it.each(pages)(
    '$page does what the page says',
    ({ page, blocks }) => {
      if (needsPython(blocks) && python === undefined) return console.warn(`${page} is skipped: there is no Python`)
      const folder = folders.make(page)
      const printed = new Map<number, string>()
      for (const block of blocks) {
        const ran = runBlock(folder, smaller(block))
        if (ran.printed === undefined) continue
        printed.set(block.line, ran.printed)
        const says = expected(block)
        if (says && !WRITE) {
          expect(shown(ran.printed, says.similar), where(block)).toBe(shown(says.text, says.similar))
        }
      }
      if (WRITE) writeFileSync(join(ROOT, page), withOutputs(page, printed))
    },
    900_000,
  )

  it('all pages has no error of types', () => {
    const folder = folders.make('types')
    const blocks = pages.flatMap((each) => each.blocks).filter(({ language }) => language === 'ts')
    const placed = blocks.map((block) => {
      if (isOwn(block)) return { block, path: join(ROOT, block.file!), own: block.code }
      const name = block.file?.replace(/\.ts$/, '') ?? `${block.page.replaceAll(/\W/g, '-')}-${programName(block)}`
      return { block, path: placeProgram(folder, name, block.code).ts, own: undefined }
    })
    const own = new Map(placed.flatMap(({ path, own }) => (own === undefined ? [] : [[path, own] as const])))
    const program = programOf(
      placed.map(({ path }) => path),
      own,
    )
    const faults = placed.flatMap(({ block, path }) => {
      const source = program.getSourceFile(path)!
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
        ({ messageText }) => `${where(block)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
      )
    })
    expect(placed.length).toBeGreaterThan(10)
    expect(faults).toEqual([])
  }, 120_000)

  it('the documents is run but for what has a reason, and each reason is of something there', () => {
    const lines = new Set(PAGES.flatMap((page) => textOf(page).split('\n')).map((line) => line.trim()))
    for (const command of NOT_RUN.keys()) expect([...lines], command).toContain(command)
    for (const [page, changes] of Object.entries(SMALLER)) {
      for (const [from] of changes) expect(textOf(page)).toContain(from)
    }
  })
})

it('a tool that a page runs is a dependency of its own, not one that another happens to bring', () => {
  const { name, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    name: string
    devDependencies: Record<string, string>
  }
  const lines = pages.flatMap(({ blocks }) => blocks.flatMap(({ code }) => code.split('\n')))
  const run = lines.filter((line) => !NOT_RUN.has(line.trim())).join('\n')
  const tools = new Set([...run.matchAll(/\bnpx ([\w@/-]+)/g)].map(([, tool]) => tool!))
  expect([...tools]).toContain(name)
  expect([...tools].filter((tool) => tool !== name && devDependencies[tool] === undefined)).toEqual([])
})

describe('the way pages are tested', () => {
  it('knows blocks, their files, and what they print', () => {
    const page =
      '```sh\necho 1\n```\n\n```text similar\n1\n```\n\n* in a list:\n\n  ```cpp\n  // main.cpp\n  int x;\n  ```\n'
    expect(blocksOf('p.md', page)).toMatchObject([
      { language: 'sh', line: 2, code: 'echo 1\n', output: { text: '1\n', similar: true } },
      { language: 'cpp', line: 12, code: '// main.cpp\nint x;\n', file: 'main.cpp', output: undefined },
    ])
  })

  it('checks code of Espalier where it would be', () => {
    const path = join(ROOT, 'lib/plan/budgets/planted.ts')
    const messages = (text: string) => {
      const program = programOf([path], new Map([[path, text]]))
      const faults = program.getSemanticDiagnostics(program.getSourceFile(path)!)
      return faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
    }
    const source = "import { volume } from '../../base/numbers.js'\n\nexport const six: number = volume([2, 3])\n"
    expect(messages(source)).toEqual([])
    expect(messages(source.replace('number =', 'string ='))).toEqual([expect.stringContaining('not assignable')])
  }, 60_000)

  it('notices a block that fails, another output, and a language that nothing runs', () => {
    const folder = folders.make('planted')
    const planted = (text: string) => blocksOf('planted.md', text)[0]!
    expect(runBlock(folder, planted('```sh\nprintf 1\n```\n')).printed).toBe('1')
    expect(() => runBlock(folder, planted('```sh\nfalse\necho 1\n```\n'))).toThrow('planted.md:2 ended with 1')
    expect(() => runBlock(folder, planted('```ts\nthrow new Error("no")\n```\n'))).toThrow('planted.md:2 ended with 1')
    expect(() => runBlock(folder, planted('```perl\n1\n```\n'))).toThrow("'perl'")
    expect(() => runBlock(folder, planted('```json\n{,}\n```\n'))).toThrow(SyntaxError)
    expect(shown('1.5 ms\n', true)).toBe(shown('12.25  ms', true))
    expect(shown('1.5 ms\n', true)).not.toBe(shown('1.5 s', true))
    // A difference that is hardly any may be of either sign.
    expect(shown('0  0.0028 0.1\n0.5', true)).toBe(shown('0 -0.0014 -0.1\n-0.5', true))
    expect(shown('layer-1', true)).not.toBe(shown('layer1', true))
    expect(shown('1.5 ms', false)).not.toBe(shown('1.6 ms', false))
  })
})
