// Before a package is packed: a fresh dist (no product of a source that is gone) and prebuilt binaries with their sums.
// Says nothing on standard output, which belongs to `npm pack --json`.

import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
if (!existsSync(join(root, 'prebuilds/SHA256SUMS'))) {
  console.error('There are no prebuilt binaries: npm run prebuild')
  process.exit(1)
}
rmSync(join(root, 'dist'), { recursive: true, force: true })
const tsc = join(root, 'node_modules/typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: ['ignore', 2, 2],
})
process.exit(status ?? 1)
