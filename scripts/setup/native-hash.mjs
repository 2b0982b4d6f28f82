import { hashOf } from './stamp.mjs'

/** All that the native part is made from, but LibTorch. */
const SOURCES = [
  'native',
  'CMakeLists.txt',
  'scripts/build/build.mjs',
  'scripts/setup/headers.mjs',
  'node_modules/node-addon-api/package.json',
]

/** @param {string} root @param {string[]} [words] anything else that the products depend on, such as the version of LibTorch */
export const nativeHash = (root, words) => hashOf(root, SOURCES, words)
