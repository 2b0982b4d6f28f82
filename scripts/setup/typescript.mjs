// Compiles TypeScript when a source has changed. Types are checked by `npm run typecheck`; checking them here too would
// treble the time of every start.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.mjs'
import { hashOf, isCurrent, writeStamp } from './stamp.mjs'

/** lib -> dist @param {string} root */
export async function buildTypescript(root) {
  const inputs = ['lib', 'tsconfig.json', 'tsconfig.build.json']
  await compile(root, 'compiling TypeScript', 'tsconfig.build.json', 'dist', inputs)
}

/** examples -> build/examples, against dist as a user's program would be @param {string} root */
export async function buildExamples(root) {
  const folder = join(root, 'examples')
  if (!existsSync(folder) || !readdirSync(folder).some((name) => name.endsWith('.ts'))) return
  const inputs = ['examples', 'lib', 'tsconfig.json', 'tsconfig.examples.json']
  await compile(root, 'compiling the examples', 'tsconfig.examples.json', 'build/examples', inputs)
}

/**
 * @param {string} root
 * @param {string} label
 * @param {string} project
 * @param {string} outDir
 * @param {string[]} inputs
 */
async function compile(root, label, project, outDir, inputs) {
  const hash = hashOf(root, [...inputs, 'node_modules/typescript/package.json'])
  const stamp = join(root, outDir, '.stamp')
  if (isCurrent(stamp, hash, [])) return
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  await run(label, process.execPath, [tsc, '-p', project, '--noCheck'], { cwd: root })
  writeStamp(stamp, hash)
}
