// Before a package is packed: a fresh dist (no product of a source that is gone), and prebuilt binaries, all of them, that were made
// from these sources and have their sums.
// Says nothing on standard output, which belongs to `npm pack --json`.

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { whyNotToPack } from './prebuilt.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const fault = whyNotToPack(root, process.env)
if (fault !== undefined) {
  console.error(fault)
  process.exit(1)
}
rmSync(join(root, 'dist'), { recursive: true, force: true })
const tsc = join(root, 'node_modules/typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: ['ignore', 2, 2],
})
process.exit(status ?? 1)
