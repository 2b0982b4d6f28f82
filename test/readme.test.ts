import { readdirSync, readFileSync } from 'node:fs'
import { ERROR_CODES } from 'espalier'
import { describe, expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const readme = read('README.md')

describe('the README', () => {
  it('lists every error code, as it is defined', () => {
    const rows = [...readme.matchAll(/^\| `(ERR_\w+)` \| (.*) \|$/gm)].map(([, code, when]) => [code, when])
    expect(Object.fromEntries(rows)).toEqual(ERROR_CODES)
  })

  it.each(['examples/sparsify.ts', 'examples/own-loop.ts'])('shows %s as it is', (path) => {
    expect(readme).toContain(`\`\`\`ts\n${read(path).trimEnd()}\n\`\`\``)
  })

  it('has the two commands that do everything', () => {
    for (const command of ['npm ci && npm run demo', 'npm ci && npm test']) expect(readme).toContain(`    ${command}\n`)
  })

  const measured = readdirSync(new URL('../scripts/checks/quality/results', import.meta.url))
  it.each(measured.map((file) => file.replace('.jsonl', '')))(
    'has the accuracies on %s as they were measured',
    async (dataset) => {
      const { heading, table } = await import('../scripts/checks/quality/table.mjs')
      const rows = read(`scripts/checks/quality/results/${dataset}.jsonl`)
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(readme).toContain(
        `<!-- quality:${dataset} -->\n${heading(rows)}\n\n${table(rows)}\n<!-- /quality:${dataset} -->`,
      )
    },
  )

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
