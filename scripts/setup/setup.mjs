// Makes a clone ready: checks what is needed, compiles TypeScript, finds or fetches LibTorch, builds the native part. Each
// step is done only when something that it depends on has changed. `npm run demo` and `npm test` run this first.

import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { findLibtorch, libtorchToBuildWith, printScriptError } from './libtorch.mjs'
import { nativeHash } from './native-hash.mjs'
import { findMissing, formatMissing, missingPackages, thisMachine } from './prerequisites.mjs'
import { run } from './run.mjs'
import { isCurrent, writeStamp } from './stamp.mjs'
import { isStep } from './steps.mjs'
import { buildExamples } from './typescript.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** @param {import('../../lib/libtorch/index.js').Libtorch} libtorch */
async function buildNative(libtorch) {
  const hash = nativeHash(root, [libtorch.version])
  const stamp = join(root, 'build/Release/.stamp')
  const isDone = () => isCurrent(stamp, hash, [join(root, 'build/Release/espalier.node')])
  if (isDone()) return
  /** @type {typeof import('../../lib/libtorch/install/lock.js')} */
  const { withLock } = await import(pathToFileURL(join(root, 'dist/libtorch/install/lock.js')).href)
  /** @type {typeof import('../../lib/cli/progress.js')} */
  const { showProgress } = await import(pathToFileURL(join(root, 'dist/cli/progress.js')).href)
  // Two builds in one tree would write the same files; the second waits and finds nothing to do.
  await withLock(
    join(root, '.cmake/build.lock'),
    { progress: showProgress(process.stdout), patience: 3_600_000 },
    async () => {
      if (isDone()) return
      await run(
        `building the native part against LibTorch ${libtorch.version}`,
        process.execPath,
        [join(root, 'scripts/build/build.mjs'), '--libtorch', libtorch.root],
        { cwd: root, show: isStep },
      )
      writeStamp(stamp, hash)
    },
  )
}

try {
  const start = Date.now()
  // The resolver is TypeScript: without the compiler in node_modules it can't be asked yet.
  const hasLibtorch = missingPackages(root).length === 0 && (await findLibtorch(root)) !== undefined
  const missing = findMissing(thisMachine(root, hasLibtorch))
  if (missing.length > 0) throw new Error(formatMissing(missing))
  const libtorch = await libtorchToBuildWith(root)
  await buildNative(libtorch)
  await buildExamples(root)
  console.log(`ready: LibTorch ${libtorch.version} (${libtorch.source}), ${((Date.now() - start) / 1000).toFixed(1)} s`)
} catch (error) {
  printScriptError(error)
  process.exit(1)
}
