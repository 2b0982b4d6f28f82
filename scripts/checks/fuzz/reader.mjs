// The archive reader's own parts (table of contents, pickles, programs) under libFuzzer, without LibTorch.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readZip } from './zip.mjs'

/**
 * @param {string} root
 * @param {number} seconds
 * @param {readonly string[]} models  what it begins with
 * @returns {{ ok: boolean, text: string }} `ok` when nothing was found, or there is no clang
 */
export function fuzzReader(root, seconds, models) {
  if (spawnSync('clang++', ['--version']).error) return { ok: true, text: 'skipped: there is no clang++' }
  const folder = join(root, 'build/fuzz')
  const seeds = join(folder, 'seeds')
  mkdirSync(seeds, { recursive: true })
  mkdirSync(join(folder, 'corpus'), { recursive: true })
  const sources = readdirSync(join(root, 'native/archive')).filter((name) => name.endsWith('.cc'))
  const built = spawnSync(
    'clang++',
    [
      '-std=c++20',
      '-O1',
      '-g',
      '-fsanitize=fuzzer,address,undefined',
      '-fno-sanitize-recover=undefined',
      `-I${join(root, 'native')}`,
      join(root, 'test/fuzz/archive.cc'),
      ...sources.map((name) => join(root, 'native/archive', name)),
      '-o',
      join(folder, 'archive'),
    ],
    { encoding: 'utf8' },
  )
  if (built.status !== 0)
    return { ok: /fuzzer/.test(built.stderr), text: `skipped: it can't be built\n${built.stderr}` }
  writeSeeds(seeds, models)
  const ran = spawnSync(
    join(folder, 'archive'),
    [
      `-max_total_time=${seconds}`,
      '-timeout=10',
      '-rss_limit_mb=2048',
      '-max_len=65536',
      join(folder, 'corpus'),
      seeds,
    ],
    { encoding: 'utf8', cwd: folder, maxBuffer: 1 << 28 },
  )
  const lines = ran.stderr.trim().split('\n')
  return { ok: ran.status === 0, text: ran.status === 0 ? (lines.at(-1) ?? '') : lines.slice(-60).join('\n') }
}

/** The first byte says which part reads the rest: see test/fuzz/archive.cc. */
/** @param {string} folder @param {readonly string[]} models */
function writeSeeds(folder, models) {
  let number = 0
  /** @param {number} part @param {Buffer} data */
  const write = (part, data) => writeFileSync(join(folder, `${number++}`), Buffer.concat([Buffer.from([part]), data]))
  for (const model of models) {
    const bytes = readFileSync(model)
    write(0, bytes)
    for (const { name, data } of readZip(bytes)) {
      if (name.endsWith('pkl')) write(1, data)
      if (name.endsWith('.py')) write(2, data)
    }
  }
}
