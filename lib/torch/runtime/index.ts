import { homedir } from 'node:os'
import { join } from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { EspalierError } from '../../errors.js'
import type { NativeBinding } from '../binding.js'

let loaded: NativeBinding | undefined

export function binding(): NativeBinding {
  if (loaded) return loaded
  const root = fileURLToPath(new URL(import.meta.url.includes('/dist/') ? '../../..' : '../../..', import.meta.url))
  const require = createRequire(import.meta.url)
  const loader = require('node-gyp-build')(root) as { open(path: string): void }
  const libtorch =
    process.env['LIBTORCH'] ??
    join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'espalier/libtorch/2.13.0-cpu')
  loader.open(join(libtorch, 'lib/libtorch.so'))
  const module = { exports: {} }
  process.dlopen(module, join(root, 'build/Release/libespalier_core-2.13.so'))
  loaded = module.exports as NativeBinding
  loaded.init({ EspalierError })
  return loaded
}
