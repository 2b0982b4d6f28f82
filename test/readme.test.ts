import { readFileSync } from 'node:fs'
import { ERROR_CODES } from 'espalier'
import { describe, expect, it } from 'vitest'
import { EXIT } from '../lib/cli/exit.js'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const readme = read('README.md')
const quality = read('docs/quality.md')
const measured = (name: string) =>
  read(`scripts/checks/quality/results/${name}.jsonl`)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('the README', () => {
  it('lists every error code, as it is defined', () => {
    const rows = [...readme.matchAll(/^\| `(ERR_\w+)` \| (.*) \|$/gm)].map(([, code, when]) => [code, when])
    expect(Object.fromEntries(rows)).toEqual(ERROR_CODES)
  })

  it('lists what a command ends with', () => {
    const rows = [...readme.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(([, status, words]) => [Number(status), words])
    expect(rows).toEqual([[0, 'it is done'], ...Object.values(EXIT).map(({ status, words }) => [status, words])])
  })

  it.each(['examples/sparsify.ts', 'examples/own-loop.ts'])('shows %s as it is', (path) => {
    expect(readme).toContain(`\`\`\`ts\n${read(path).trimEnd()}\n\`\`\``)
  })

  it('has the two commands that do everything', () => {
    for (const command of ['npm ci && npm run demo', 'npm ci && npm test']) expect(readme).toContain(`    ${command}\n`)
  })

  it.each(['digits', 'mnist'])(
    'has the accuracies on %s as they were measured, in docs/quality.md',
    async (dataset) => {
      const { heading, table } = await import('../scripts/checks/quality/table.mjs')
      const rows = measured(dataset)
      expect(quality).toContain(
        `<!-- quality:${dataset} -->\n${heading(rows)}\n\n${table(rows)}\n<!-- /quality:${dataset} -->`,
      )
    },
  )

  it('has what the families keep as it was measured, and docs/quality.md, too', async () => {
    const { familiesTable, shortTable } = await import('../scripts/checks/quality/families/table.mjs')
    const { plot } = await import('../scripts/checks/quality/families/plot.mjs')
    const rows = measured('families')
    expect(readme).toContain(`<!-- quality -->\n${shortTable(rows)}\n<!-- /quality -->`)
    expect(quality).toContain(`<!-- families -->\n${familiesTable(rows)}\n<!-- /families -->`)
    for (const theme of ['light', 'dark'] as const) expect(read(`docs/quality-${theme}.svg`)).toBe(plot(rows, theme))
  })

  it('names only regularizers that exist', async () => {
    const { espalier }: { espalier: Record<string, unknown> } = await import('./support/public.js')
    const rows = readme.slice(readme.indexOf('## Regularizers'), readme.indexOf('## Checkpoints'))
    const named = [...rows.matchAll(/`(\w+)\(/g)].map(([, name]) => name!)
    expect(named.length).toBeGreaterThan(8)
    const methods = ['apply', 'step', 'advance']
    for (const name of named) if (!methods.includes(name)) expect(espalier[name], name).toBeTypeOf('function')
  })

  it('names only scripts and commands that exist', () => {
    const { scripts, bin } = JSON.parse(read('package.json'))
    const named = [...readme.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script!)
    expect(named.length).toBeGreaterThan(0)
    for (const script of named) expect(Object.keys(scripts)).toContain(script)
    expect(Object.keys(bin)).toEqual(['espalier'])
    const commands = [...readme.matchAll(/npx espalier ([\w-]+)/g)].map(([, command]) => command!)
    const main = read('lib/cli/main.ts')
    for (const command of new Set(commands)) expect(main).toContain(command)
  })
})
