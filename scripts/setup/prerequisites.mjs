// What a clone needs before anything can be built. All that is missing is found in one go, with one apt line.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * The machine as the checks see it; replaced in tests.
 * @typedef {object} Machine
 * @property {string} platform such as linux-x64
 * @property {string} node version of the running Node
 * @property {string} compiler the C++ compiler: $CXX or g++
 * @property {(command: string, args: string[]) => string | undefined} output what a command prints; undefined: can't be run
 * @property {(path: string) => number} free free bytes where `path` is or will be
 * @property {string[]} missingPackages npm packages of package.json that aren't in node_modules
 * @property {boolean} hasLibtorch whether there is a LibTorch to compile against
 * @property {string} cache
 * @property {string} root
 */

/**
 * @typedef {object} Missing
 * @property {string} what what is missing, and which version is there
 * @property {string[]} [apt] Debian packages that cure it
 * @property {string} [cure] what else cures it
 */

/** @param {string} text @returns {number[]} */
function numbers(text) {
  return (/(\d+)(?:\.(\d+))?/.exec(text) ?? []).slice(1).map(Number)
}

/** @param {string} found @param {number} major @param {number} minor */
function atLeast(found, major, minor) {
  const [a = 0, b = 0] = numbers(found)
  return a > major || (a === major && (b || 0) >= minor)
}

/** @param {Machine} machine @returns {Missing[]} */
export function findMissing(machine) {
  /** @type {Missing[]} */
  const missing = []
  const { output } = machine
  if (machine.platform !== 'linux-x64') {
    missing.push({
      what: `Linux on x64 (this is ${machine.platform})`,
      cure: 'see the platform table in docs/reference/install.md',
    })
  }
  if (!atLeast(machine.node, 20, 19)) {
    missing.push({ what: `Node >= 20.19 (this is ${machine.node})`, cure: 'https://nodejs.org/en/download' })
  }
  if (machine.missingPackages.length > 0) {
    missing.push({ what: `npm packages: ${machine.missingPackages.join(', ')}`, cure: 'npm ci' })
  }

  const compiler = output(machine.compiler, ['-dumpfullversion', '-dumpversion'])?.trim()
  if (compiler === undefined) missing.push({ what: `g++ >= 12 (${machine.compiler} can't be run)`, apt: ['g++'] })
  else if (!atLeast(compiler, 12, 0))
    missing.push({ what: `g++ >= 12 (found ${compiler})`, apt: ['g++-12'], cure: 'CXX=g++-12' })

  const cmake = output('cmake', ['--version'])
  if (cmake === undefined) missing.push({ what: 'cmake >= 3.20', apt: ['cmake'] })
  else if (!atLeast(cmake, 3, 20))
    missing.push({ what: `cmake >= 3.20 (found ${cmake.split('\n')[0]})`, apt: ['cmake'] })

  if (output('ninja', ['--version']) === undefined && output('make', ['--version']) === undefined) {
    missing.push({ what: 'make or ninja', apt: ['make'] })
  }

  if (!machine.hasLibtorch) {
    const free = machine.free(machine.cache)
    if (free < 1.2e9) missing.push(space(machine.cache, free, 1.2e9))
  }
  const free = machine.free(machine.root)
  if (free < 0.5e9) missing.push(space(machine.root, free, 0.5e9))
  return missing
}

/** @param {string} path @param {number} free @param {number} needed @returns {Missing} */
function space(path, free, needed) {
  const megabytes = (/** @type {number} */ bytes) => `${Math.round(bytes / 1e6)} MB`
  return { what: `space: ${path} has ${megabytes(free)} free, ${megabytes(needed)} are needed`, cure: 'make room' }
}

/** @param {Missing[]} missing */
export function formatMissing(missing) {
  const lines = ['Something is missing:']
  for (const { what, cure } of missing) lines.push(`  - ${what}${cure === undefined ? '' : `: ${cure}`}`)
  const apt = [...new Set(missing.flatMap((item) => item.apt ?? []))]
  if (apt.length > 0) lines.push('', `  sudo apt-get install -y ${apt.join(' ')}`)
  return lines.join('\n')
}

/** @param {string} root @param {boolean} hasLibtorch @returns {Machine} */
export function thisMachine(root, hasLibtorch) {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'espalier', 'libtorch')
  return {
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
    compiler: process.env.CXX || 'g++',
    output(command, args) {
      const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      return status === 0 ? stdout : undefined
    },
    free(path) {
      let folder = path
      while (!existsSync(folder)) folder = dirname(folder)
      const { bavail, bsize } = statfsSync(folder)
      return bavail * bsize
    },
    missingPackages: missingPackages(root),
    hasLibtorch,
    cache,
    root,
  }
}

/** @param {string} root @returns {string[]} */
export function missingPackages(root) {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
  return names.filter((name) => !existsSync(join(root, 'node_modules', name, 'package.json')))
}
