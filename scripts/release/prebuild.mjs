// Makes prebuilds/<platform>-<arch>/ from a clean node-gyp build, and SHA256SUMS, which `espalier doctor` compares: the loader, and
// for each LibTorch minor whose LibTorch is here the core and the operators, with those for CUDA where it is a CUDA build and
// there is nvcc. What is compiled already is only packed.
//
//   npm run prebuild -- [--libtorch DIR]… [--complete]
//
// --libtorch names a LibTorch to build for; the others are those that the resolver finds. --complete: a release, in which nothing
// may be missing.

import { existsSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CUDA_MINOR, hasNvcc, isCudaLibtorch } from '../setup/headers.mjs'
import { printScriptError } from '../setup/libtorch.mjs'
import { nativeHash } from '../setup/native-hash.mjs'
import { run } from '../setup/run.mjs'
import { isStep } from '../setup/steps.mjs'
import { findLibtorchs } from './libtorchs.mjs'
import { describePrebuilds } from './prebuilt.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const prebuilds = join(root, 'prebuilds')
const { values } = parseArgs({
  options: { libtorch: { type: 'string', multiple: true, default: [] }, complete: { type: 'boolean', default: false } },
})

try {
  await prebuild()
} catch (error) {
  printScriptError(error)
  process.exit(1)
}

async function prebuild() {
  const start = Date.now()
  const found = await findLibtorchs(root, values.libtorch)
  const missing = found.flatMap(({ minor, libtorch, reason }) => whatLacks(minor, libtorch, reason))
  for (const line of missing) console.log(`not made: ${line}`)
  const folders = found.flatMap(({ libtorch }) => libtorch ?? [])
  if (folders.length === 0) throw new Error('There is no LibTorch here to build with: npx espalier install-libtorch')
  if (values.complete && missing.length > 0) throw new Error('--complete: something is missing, and nothing was made')

  const hash = nativeHash(root)
  rmSync(prebuilds, { recursive: true, force: true })
  await run(
    'making the prebuilt binaries',
    process.execPath,
    [join(root, 'node_modules/prebuildify/bin.js'), '--napi', '--strip', '--tag-libc', '--name', 'espalier'],
    {
      cwd: root,
      env: { ...process.env, ...nodeHeaders(), ESPALIER_BUILD_FOR: folders.join(':') },
      show: (line) => isStep(line) || line.startsWith('LibTorch '),
    },
  )
  for (const name of describePrebuilds(root, { hash, complete: missing.length === 0 })) {
    console.log(`${name}: ${Math.round(statSync(join(prebuilds, name)).size / 1e3)} kB`)
  }
  // node-gyp has emptied build/, and prebuildify has moved the loader away: the clone is made ready again.
  const setup = [join(root, 'scripts/setup/setup.mjs')]
  await run('making the clone ready again', process.execPath, setup, { cwd: root, show: isStep })
  console.log(`prebuilt in ${Math.round((Date.now() - start) / 1000)} s`)
}

/** @param {string} minor @param {string | undefined} libtorch @param {string | undefined} reason @returns {string[]} */
function whatLacks(minor, libtorch, reason) {
  if (libtorch === undefined) return [`all for LibTorch ${minor}: ${reason}`]
  if (minor !== CUDA_MINOR) return []
  if (!isCudaLibtorch(libtorch)) return [`the CUDA library for ${minor}: ${libtorch} is no CUDA build`]
  return hasNvcc() ? [] : [`the CUDA library for ${minor}: nvcc isn't on the PATH`]
}

/** Where the running Node keeps its headers. Without them node-gyp would fetch those of the version it is asked for. */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include/node/node_api.h')) ? { npm_config_nodedir: prefix } : {}
}
