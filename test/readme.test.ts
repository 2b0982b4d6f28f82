import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ERROR_CODES } from 'espalier'
import { describe, expect, it } from 'vitest'
import { EXIT } from '../lib/cli/exit.js'
import { blocksOf, PAGES } from './docs/pages/blocks.js'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const readme = read('README.md')
const quality = read('docs/quality.md')
/** All that a user is told. */
const documents = PAGES.map(read).join('\n')
const measured = (name: string) =>
  read(`scripts/checks/quality/results/${name}.jsonl`)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('the README', () => {
  it('is one screen that sells and one that starts', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(110)
    const [before] = readme.split('## Start')
    expect(before!.split('\n').length).toBeLessThanOrEqual(45)
    expect(before).toMatch(/<picture>[\s\S]*run-dark\.svg[\s\S]*run-light\.svg/)
    expect(before!.match(/^\| (?!---|network)/gm)).toHaveLength(5)
  })

  it('has a start that is two commands', () => {
    const commands = blocksOf('README.md').filter(({ language }) => language === 'sh')
    expect(commands[0]!.code).toBe('npm install espalier\nnpx espalier install-libtorch\n')
    expect(commands[1]!.code).toMatch(/^npx espalier prune model\.pt .*\n$/)
  })

  it('says what runs the tests, which .ci/run does', () => {
    for (const command of ['npm run demo', 'npm test']) {
      expect(readme).toContain(`\nnpm ci && ${command}\n`)
      expect(read('.ci/run')).toMatch(new RegExp(`^step 600 npm ci\\n[\\s\\S]*^step.* ${command}`, 'm'))
    }
  })
})

describe('the documents', () => {
  it('list every error code, as it is defined', () => {
    const rows = [...read('docs/reference/errors.md').matchAll(/^\| `(ERR_\w+)` \| (.*) \|$/gm)].map(
      ([, code, when]) => [code, when],
    )
    expect(Object.fromEntries(rows)).toEqual(ERROR_CODES)
  })

  it('tell what every command does', async () => {
    const { commandNames } = await import('../scripts/docs/commands.mjs')
    const rows = [...read('docs/reference/command-line.md').matchAll(/^\| (`[a-z][\w-]*`(?:, `[a-z][\w-]*`)*) \|/gm)]
    const told = rows.flatMap(([, names]) => names!.replaceAll('`', '').split(', '))
    expect(told.sort()).toEqual(commandNames(fileURLToPath(new URL('..', import.meta.url))).sort())
  })

  it('list what a command ends with', () => {
    const rows = [...read('docs/reference/command-line.md').matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(
      ([, status, words]) => [Number(status), words],
    )
    expect(rows).toEqual([[0, 'it is done'], ...Object.values(EXIT).map(({ status, words }) => [status, words])])
  })

  it('have the pictures that their script draws', async () => {
    const { pictures } = await import('../scripts/docs/pictures.mjs')
    for (const [path, svg] of Object.entries(await pictures()))
      expect(read(path), `${path}: run npm run docs`).toBe(svg)
  })

  it.each(['digits', 'mnist'])(
    'have the accuracies on %s as they were measured, in docs/quality.md',
    async (dataset) => {
      const { heading, table } = await import('../scripts/checks/quality/table.mjs')
      const rows = measured(dataset)
      expect(quality).toContain(
        `<!-- quality:${dataset} -->\n${heading(rows)}\n\n${table(rows)}\n<!-- /quality:${dataset} -->`,
      )
    },
  )

  it('have what the families keep as it was measured, as the README', async () => {
    const { familiesTable, shortTable } = await import('../scripts/checks/quality/families/table.mjs')
    const { plot } = await import('../scripts/checks/quality/families/plot.mjs')
    const rows = measured('families')
    expect(readme).toContain(`<!-- quality -->\n${shortTable(rows)}\n<!-- /quality -->`)
    expect(quality).toContain(`<!-- families -->\n${familiesTable(rows)}\n<!-- /families -->`)
    for (const theme of ['light', 'dark'] as const) expect(read(`docs/quality-${theme}.svg`)).toBe(plot(rows, theme))
  })

  it('name only regularizers that exist', async () => {
    const { espalier }: { espalier: Record<string, unknown> } = await import('./support/public.js')
    const rows = read('docs/reference/regularizers.md')
    const named = [...rows.matchAll(/`(\w+)\(/g)].map(([, name]) => name!)
    expect(named.length).toBeGreaterThan(8)
    const methods = ['apply', 'step', 'advance']
    for (const name of named) if (!methods.includes(name)) expect(espalier[name], name).toBeTypeOf('function')
  })

  it('name only scripts and commands that exist', () => {
    const { scripts, bin } = JSON.parse(read('package.json'))
    const named = [...documents.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script!)
    expect(named.length).toBeGreaterThan(0)
    for (const script of named) expect(Object.keys(scripts)).toContain(script)
    expect(Object.keys(bin)).toEqual(['espalier'])
    const commands = [...documents.matchAll(/npx espalier ([a-z][\w-]*)/g)].map(([, command]) => command!)
    const main = read('lib/cli/main.ts')
    for (const command of new Set(commands)) expect(main).toContain(command)
  })
})
