// Writes docs/reference/results.md (every call and what it gives, out of the doc comments) and docs/reference/commands.md (the help
// of every command). With --check it only tells whether they are current; `npm run lint` runs that.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildTypescript } from '../setup/typescript.mjs'
import { commandsPage } from './commands.mjs'
import { resultsPage } from './results.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
await buildTypescript(root)

const pages = { 'docs/reference/results.md': resultsPage(root), 'docs/reference/commands.md': commandsPage(root) }
for (const [name, text] of Object.entries(pages)) {
  const path = join(root, name)
  if (!process.argv.includes('--check')) writeFileSync(path, text)
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.error(`${name} is not what lib/ says: run npm run docs`)
    process.exitCode = 1
  }
}
