// Writes docs/operators.md out of lib/operators: what Espalier understands of each operator. With --check it only tells
// whether the page is current; `npm run lint` runs that.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildTypescript } from '../setup/typescript.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = join(root, 'docs/operators.md')

await buildTypescript(root)
/** @type {typeof import('../../lib/operators/catalogue.js')} */
const { FAMILIES } = await import(pathToFileURL(join(root, 'dist/operators/catalogue.js')).href)

const INTRODUCTION = `# Operators

What Espalier knows of the operators of a TorchScript program. Whatever an operator that isn't here touches stays as it is
and is told as \`unknown operator\`; so does a form of one that its rule was not written for (\`unsupported form\`). In-place
spellings (\`relu_\`) are those of the plain name.

* **what can be cut**: what of its tensors; all else stays.
* **lengths**: how long its outputs are is known for any input, not for the example alone.
* **sizes**: numbers among its arguments are rewritten when widths change. Elsewhere they keep the value that they had.
* **MACs**: it is counted.
* **bias**: what removed channels still gave can be put into its bias (compensation).

This page is made by \`npm run docs\` from \`lib/operators\`.
`

/** @param {boolean} yes */
const mark = (yes) => (yes ? '•' : '')

/** Operators with the same entry share a row. @param {import('../../lib/operators/operator.js').Family} family */
function tableOf(family) {
  /** @type {Map<string, string[]>} */
  const rows = new Map()
  for (const [name, { says, lengths, resize, macs, sums }] of family) {
    const told = [says, mark(lengths !== undefined), mark(resize !== undefined), mark(macs !== undefined)]
    const key = [...told, mark(sums === 'compensated')].join(' | ')
    rows.set(key, [...(rows.get(key) ?? []), `\`${name.replace(/^aten::/, '')}\``])
  }
  const lines = [...rows].map(([key, names]) => `| ${names.join(' ')} | ${key} |`)
  return [
    '| operator | what can be cut | lengths | sizes | MACs | bias |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
  ]
}

const sections = Object.entries(FAMILIES).map(([name, family]) => [`## ${name}`, '', ...tableOf(family)].join('\n'))
const text = `${[INTRODUCTION, ...sections].join('\n\n').replace(/\n{3,}/g, '\n\n')}\n`
if (!process.argv.includes('--check')) writeFileSync(page, text)
else if (!existsSync(page) || readFileSync(page, 'utf8') !== text) {
  console.error('docs/operators.md is not what lib/operators says: run npm run docs')
  process.exitCode = 1
}
