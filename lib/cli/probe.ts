// Loads the native part and prints what came of it as JSON: `espalier doctor` runs it in a child process.

import { readFileSync } from 'node:fs'
import { loadRuntime } from '../libtorch/index.js'
import { printError } from './error.js'

export interface ProbeReport {
  readonly torchVersion: string
  /** OpenMP runtimes mapped into the process; more than one means that threads are made twice. */
  readonly libgomp: readonly string[]
  /** How many threads an operator uses. */
  readonly threads: number
}

try {
  const { binding } = loadRuntime({ libtorch: process.argv[2] })
  const maps = readFileSync('/proc/self/maps', 'utf8')
  const libgomp = [...new Set(maps.match(/\/\S*lib(?:gomp|iomp5|omp)\S*\.so\S*/g))]
  const report: ProbeReport = { torchVersion: binding.torchVersion(), libgomp, threads: binding.threads() }
  process.stdout.write(JSON.stringify(report))
} catch (error) {
  printError(error)
  process.exitCode = 1
}
