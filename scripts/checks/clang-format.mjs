// Formats the C++ sources; with --check only says which aren't formatted.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const check = process.argv.includes('--check')
const files = ['native', 'test/kernels'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(cc|cu|cuh|h)$/.test(name))
    .map((name) => join(folder, name)),
)
const mode = check ? ['--dry-run', '--Werror'] : ['-i']
const { status } = spawnSync(process.execPath, [join(root, 'node_modules/clang-format/index.js'), ...mode, ...files], {
  cwd: root,
  stdio: 'inherit',
})
console.log(`clang-format: ${files.length} files${check && status === 0 ? ', all formatted' : ''}`)
process.exit(status ?? 1)
