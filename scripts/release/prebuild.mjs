// Makes prebuilds/<platform>-<arch>/ from a clean node-gyp build, and SHA256SUMS, which `espalier doctor` compares.
//
//   npm run prebuild

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../setup/run.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const prebuilds = join(root, 'prebuilds')

/** Where the running Node keeps its headers. Without them node-gyp would fetch those of the version it is asked for. */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include/node/node_api.h')) ? { npm_config_nodedir: prefix } : {}
}

rmSync(prebuilds, { recursive: true, force: true })
await run(
  'making the prebuilt binaries',
  process.execPath,
  [join(root, 'node_modules/prebuildify/bin.js'), '--napi', '--strip', '--tag-libc', '--name', 'espalier'],
  { cwd: root, env: { ...process.env, ...nodeHeaders() }, show: (line) => /^\[\s*\d+\/\d+\]/.test(line) },
)

const sums = []
for (const platform of readdirSync(prebuilds)) {
  for (const name of readdirSync(join(prebuilds, platform)).sort()) {
    const sum = createHash('sha256').update(readFileSync(join(prebuilds, platform, name)))
    sums.push(`${sum.digest('hex')}  ${platform}/${name}`)
  }
}
writeFileSync(join(prebuilds, 'SHA256SUMS'), `${sums.join('\n')}\n`)
console.log(sums.join('\n'))

// node-gyp has emptied build/, and prebuildify has moved the loader away: the clone is made ready again.
await run('making the clone ready again', process.execPath, [join(root, 'scripts/setup/setup.mjs')], { cwd: root })
