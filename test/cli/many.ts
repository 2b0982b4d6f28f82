import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

const MANY = fileURLToPath(new URL('many.mjs', import.meta.url))

/** What came of a command line with --json. */
export interface Outcome {
  status: number
  said: Record<string, unknown> & { error?: { code?: string; message: string } }
}

/** Runs command lines in one process, one after the other: LibTorch is loaded once. */
export function many(folder: string, lines: readonly (readonly string[])[]): Outcome[] {
  const file = join(folder, 'lines.json')
  writeFileSync(file, JSON.stringify(lines))
  const { status, stdout, stderr } = spawnSync(process.execPath, [MANY, folder, file], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as Outcome[]
}
