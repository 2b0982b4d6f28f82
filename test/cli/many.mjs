// Runs many command lines in one process, with --json, and prints what came of each: { status, said }.
import { readFileSync } from 'node:fs'

const [, , folder = '', lines = ''] = process.argv
process.chdir(folder)
const commands = new Map()
for (const name of [
  'compare',
  'evaluate',
  'export',
  'finetune',
  'inspect',
  'prune',
  'replay',
  'report',
  'sensitivity',
  'sparsify',
]) {
  const made = await import(new URL(`../../dist/cli/commands/${name}.js`, import.meta.url).href)
  commands.set(name, made[`${name}Command`])
}
const results = []
for (const [name, ...args] of JSON.parse(readFileSync(lines, 'utf8'))) {
  /** @type {string[]} */
  const printed = []
  const { write } = process.stdout
  process.stdout.write = /** @type {typeof write} */ (
    (/** @type {string} */ text, /** @type {() => void} */ done) => {
      printed.push(text)
      done()
      return true
    }
  )
  process.exitCode = 0
  try {
    await commands
      .get(name)()
      .parseAsync([...args, '--json'], { from: 'user' })
  } finally {
    process.stdout.write = write
  }
  results.push({ status: process.exitCode, said: JSON.parse(printed.join('')) })
}
process.exitCode = 0
console.log(JSON.stringify(results))
