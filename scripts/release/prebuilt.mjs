// What is written beside the prebuilt binaries, and what of it must be so before they are packed: SHA256SUMS, which ships, and
// `.stamp`, which stays: from which sources they were made, and whether none is missing.

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nativeHash } from '../setup/native-hash.mjs'

/** Set by checks that pack what this machine can make; a release has all. */
export const ALLOW_INCOMPLETE = 'ESPALIER_PACK_INCOMPLETE'

/** @param {string} prebuilds @returns {Map<string, string>} the SHA-256 of each binary, by `<platform>-<arch>/<name>` */
function sumsOf(prebuilds) {
  const platforms = readdirSync(prebuilds).filter((name) => statSync(join(prebuilds, name)).isDirectory())
  const names = platforms.flatMap((platform) =>
    readdirSync(join(prebuilds, platform))
      .sort()
      .map((name) => `${platform}/${name}`),
  )
  return new Map(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(prebuilds, name)))
        .digest('hex'),
    ]),
  )
}

/** @param {string} prebuilds */
const textOfSums = (prebuilds) => [...sumsOf(prebuilds)].map(([name, sum]) => `${sum}  ${name}\n`).join('')

/**
 * Writes both files.
 * @param {string} root
 * @param {{ hash: string, complete: boolean }} made the hash of the sources before they were compiled; whether nothing is missing
 * @returns {string[]} the binaries
 */
export function describePrebuilds(root, made) {
  const prebuilds = join(root, 'prebuilds')
  writeFileSync(join(prebuilds, 'SHA256SUMS'), textOfSums(prebuilds))
  writeFileSync(join(prebuilds, '.stamp'), JSON.stringify(made))
  return [...sumsOf(prebuilds).keys()]
}

/**
 * Why the prebuilt binaries must not be packed; undefined where they may.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined}
 */
export function whyNotToPack(root, env) {
  const prebuilds = join(root, 'prebuilds')
  const [sums, stamp] = ['SHA256SUMS', '.stamp'].map((name) => join(prebuilds, name))
  if (!existsSync(`${sums}`) || !existsSync(`${stamp}`)) return 'There are no prebuilt binaries: npm run prebuild'
  const { hash, complete } = JSON.parse(readFileSync(`${stamp}`, 'utf8'))
  if (hash !== nativeHash(root)) {
    return 'The prebuilt binaries were made from other sources than those that are here: npm run prebuild'
  }
  if (readFileSync(`${sums}`, 'utf8') !== textOfSums(prebuilds)) {
    return 'The prebuilt binaries are not those of prebuilds/SHA256SUMS: npm run prebuild'
  }
  if (complete !== true && env[ALLOW_INCOMPLETE] !== '1') {
    return `Some prebuilt binaries are missing: npm run prebuild -- --complete; to try the package without them, ${ALLOW_INCOMPLETE}=1`
  }
  return undefined
}
