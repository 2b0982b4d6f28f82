import { spawn, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load } from 'espalier'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeDigits } from '../support/digit-files.js'
import { many } from './many.js'

/** Whatever is in the way of an output: an error with a code, the old file as it was, nothing half written. */

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const INPUT = ['-i', '1,1,8,8']
const SENSITIVITY = [
  'sensitivity',
  'model.pt',
  ...INPUT,
  '--data',
  'val.safetensors',
  '--groups',
  '[0,1]',
  '--config',
  'none.json',
]
const TRAINING = ['--data', 'train.safetensors', ...INPUT, '--config', 'none.json']
const SPARSIFY = ['sparsify', 'model.pt', ...TRAINING, '--macs', '0.6', '--no-page']

let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-outputs-'))
  await writeDigits(folder)
  rmSync(join(folder, 'espalier.config.json'))
  writeFileSync(join(folder, 'none.json'), '{}')
  writeFileSync(join(folder, 'run.jsonl'), '{"kind":"early"}\n')
  writeFileSync(join(folder, 'cut.json'), '{}')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const at = (name: string) => join(folder, name)
const read = (name: string) => readFileSync(at(name), 'utf8')

/** Each option that names an output, of each command. */
const OUTPUTS: readonly string[][] = [
  ['prune', 'model.pt', ...INPUT, '-o'],
  ['prune', 'model.pt', ...INPUT, '--manifest'],
  ['replay', 'model.pt', 'cut.json', ...INPUT, '-o'],
  ['export', 'model.pt', ...INPUT, '-o'],
  ['inspect', 'model.pt', ...INPUT, '--draw'],
  ['report', 'run.jsonl', '-o'],
  ['finetune', 'model.pt', ...TRAINING, '-o'],
  [...SENSITIVITY, '--log'],
  ...['-o', '--manifest', '--log', '--page', '--checkpoint'].map((option) => [...SPARSIFY, option]),
]
const named = (name: string) => OUTPUTS.map((line) => [...line, line.includes('--draw') ? `${name}.svg` : name])

describe('an output', () => {
  it.each([
    ['that is a folder', 'taken', /EISDIR/],
    ['in a folder that is not there', 'nowhere/x', /ENOENT/],
    ['in what is no folder', 'model.pt/x', /ENOTDIR/],
  ])('%s is refused before there is any work', (_, name, words) => {
    for (const taken of ['taken', 'taken.svg']) mkdirSync(at(taken))
    const before = readdirSync(folder)
    const lines = named(name)
    const outcomes = many(folder, lines)
    expect(outcomes.map(({ status, said }) => [status, said.error?.code])).toEqual(lines.map(() => [5, 'ERR_WRITE']))
    for (const { said } of outcomes) expect(said.error!.message).toMatch(words)
    expect(readdirSync(folder).filter((file) => !before.includes(file))).toEqual(['lines.json'])
  })

  it('in the place of a file that is read is refused, and that file stays', () => {
    const lines = [
      ...['model.pt', 'train.safetensors', 'none.json'].map((name) => [...SPARSIFY, '-o', name]),
      ...['train.safetensors', 'teacher.pt'].map((name) => [...SPARSIFY, '--teacher', 'teacher.pt', '--log', name]),
      ['finetune', 'model.pt', ...TRAINING, '-o', './train.safetensors'],
      ['prune', 'model.pt', ...INPUT, '--config', 'none.json', '--manifest', 'none.json'],
      ['replay', 'model.pt', 'cut.json', ...INPUT, '-o', 'cut.json'],
      ['report', 'run.jsonl', '-o', 'run.jsonl'],
      [...SENSITIVITY, '--log', 'val.safetensors'],
    ]
    copyFileSync(at('model.pt'), at('teacher.pt'))
    const all = () =>
      readdirSync(folder)
        .filter((name) => name !== 'lines.json')
        .map((name) => [name, readFileSync(at(name), 'latin1')])
    const before = all()
    const outcomes = many(folder, lines)
    expect(outcomes.map(({ status, said }) => [status, said.error?.code])).toEqual(
      lines.map(() => [2, 'ERR_INVALID_ARGUMENT']),
    )
    expect(all()).toEqual(before)
  })
})

describe('two at once', () => {
  const lockBy = (pid: number) => JSON.stringify({ pid, host: hostname() })
  it.each([
    ['one log of sensitivity', [...SENSITIVITY, '--log', 'shared'], 'shared'],
    ['one checkpoint', [...SPARSIFY, '--checkpoint', 'shared'], 'shared'],
  ])('on %s: the second is told so, and changes nothing', (_, line, file) => {
    writeFileSync(at(file), 'of the first')
    // Of this process, which is alive.
    writeFileSync(at(`${file}.lock`), lockBy(process.pid))
    const [{ status, said }] = many(folder, [line]) as [ReturnType<typeof many>[number]]
    expect([status, said.error]).toMatchObject([
      5,
      { code: 'ERR_LOCKED', message: expect.stringContaining(`${file}.lock`) },
    ])
    expect([read(file), existsSync(at(`${file}.lock`))]).toEqual(['of the first', true])
  })

  it('what a dead one left is no hindrance', () => {
    const { pid } = spawnSync(process.execPath, ['-e', '0'])
    writeFileSync(at('log.lock'), lockBy(pid))
    const [{ status }] = many(folder, [[...SENSITIVITY, '--log', 'log']]) as [ReturnType<typeof many>[number]]
    expect([status, existsSync(at('log.lock'))]).toEqual([0, false])
  })

  const both = (...args: string[]) =>
    Promise.all(
      [1, 2].map(
        () =>
          new Promise<number | null>((done) =>
            spawn(process.execPath, [MAIN, ...args, '--quiet'], { cwd: folder, stdio: 'ignore' }).once('close', done),
          ),
      ),
    )

  it('sensitivity leaves a log that is whole', async () => {
    const statuses = await both(...SENSITIVITY, '--log', 'log.jsonl')
    expect(statuses.filter((status) => status !== 5)).toContain(0)
    const lines = read('log.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect([lines.length, existsSync(at('log.jsonl.lock'))]).toEqual([7, false])
  })

  it('prune leaves one of both models, whole', async () => {
    expect(await both('prune', 'model.pt', ...INPUT, '-o', 'small.pt', '--config', 'none.json')).toEqual([0, 0])
    using small = await load(at('small.pt'))
    expect(small.parameters().size).toBeGreaterThan(0)
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([])
  })
})

const shell = (line: string, ...args: string[]) =>
  spawnSync('sh', ['-c', line, 'sh', process.execPath, MAIN, ...args], { encoding: 'utf8', cwd: folder })

it('a log that the system gives no more room for ends with a whole line', () => {
  // A file may have 1 or 2 kB, by the unit of the shell.
  const { status, stderr } = shell(
    'ulimit -f 2; exec "$@"',
    ...SENSITIVITY,
    '--log',
    'log.jsonl',
    '--ratios',
    '[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8]',
  )
  expect([status, stderr]).toEqual([
    5,
    expect.stringContaining('log.jsonl could not be written: file too large (EFBIG) (ERR_WRITE)'),
  ])
  expect(read('log.jsonl')).toMatch(/^\{"kind":"sensitivity".*\}\n(\{.*\}\n)+$/)
})

it('a result that can not be printed is an error; a reader that has enough is none', () => {
  const full = shell('exec "$@" >/dev/full', 'report', 'run.jsonl')
  expect([full.status, full.stderr]).toEqual([
    5,
    expect.stringContaining('could not be printed: no space left on device (ENOSPC) (ERR_WRITE)'),
  ])
  expect(shell('"$@" | true; echo done', 'report', 'run.jsonl')).toMatchObject({
    status: 0,
    stdout: 'done\n',
    stderr: '',
  })
})

it.each([
  ['the help', ['prune', '--help'], []],
  ['the lines of a training', ['finetune', 'model.pt', ...TRAINING, '--epochs', '1', '-o', 'tuned.pt'], ['tuned.pt']],
])('goes on where nobody reads %s', (_, args, made) => {
  const { stdout, stderr } = shell('{ "$@" 2>&1; echo "ended with $?" >said; } | true; cat said', ...args)
  expect([stdout, stderr]).toEqual(['ended with 0\n', ''])
  expect(made.every((name) => existsSync(at(name)))).toBe(true)
})

/** Runs it with a file system of its own at `disk`, in which files are that can't be replaced: there is no room, or it can't be written to. */
function onDisk(how: string, ...args: string[]): { status: number | null; said: string; left: string } {
  mkdirSync(at('disk'), { recursive: true })
  const line = `mount -t tmpfs -o size=16k espalier disk && cp run.jsonl disk/old && ${how} && "$@"; echo "status $?"; ls -A disk; cat disk/old`
  const { stdout, stderr } = spawnSync(
    'unshare',
    ['-rm', 'sh', '-c', line, 'sh', process.execPath, MAIN, ...args, '--quiet'],
    {
      encoding: 'utf8',
      cwd: folder,
    },
  )
  const [, status, left] = /status (\d+)\n([\s\S]*)$/.exec(stdout) ?? []
  return { status: Number(status), said: stderr, left: left ?? '' }
}
const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'espalier', '/mnt']).status === 0
if (!canMount)
  console.warn('Full and read-only disks are skipped: this user can make no file system (unshare -rm, mount -t tmpfs)')

describe.skipIf(!canMount)('a disk', () => {
  const LINES: readonly string[][] = [
    ['prune', 'model.pt', ...INPUT, '--config', 'none.json', '-o', 'disk/old'],
    ['prune', 'model.pt', ...INPUT, '--config', 'none.json', '-o', 'small.pt', '--manifest', 'disk/old'],
    ['report', 'run.jsonl', '-o', 'disk/old'],
    [...SENSITIVITY, '--log', 'disk/log.jsonl'],
    [...SPARSIFY, '--checkpoint', 'disk/old'],
    [...SPARSIFY, '--log', 'disk/log.jsonl'],
  ]
  const FULL = '(dd if=/dev/zero of=disk/filler bs=4k 2>/dev/null || true)'
  it.each(LINES.map((line) => [line.join(' '), line]))('that is full: %s', (_, line) => {
    const { status, said, left } = onDisk(FULL, ...line)
    expect([status, said]).toEqual([5, expect.stringContaining('ERR_WRITE')])
    expect(left.replace(/^log\.jsonl\n/m, '')).toBe('filler\nold\n{"kind":"early"}\n')
  })

  it.each(LINES.map((line) => [line.join(' '), line]))('that is read-only: %s', (_, line) => {
    const { status, said, left } = onDisk('mount -o remount,ro disk', ...line)
    expect([status, said]).toEqual([5, expect.stringMatching(/EROFS.*ERR_WRITE/)])
    expect(left).toBe('old\n{"kind":"early"}\n')
  })
})
