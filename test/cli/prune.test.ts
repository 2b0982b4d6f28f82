import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load, Tensor } from 'espalier'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EXIT } from '../../lib/cli/exit.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const MAIN = join(ROOT, 'dist/cli/main.js')
/** Traces have their inputs in the file. */
const SCRIPT = join(ROOT, 'test/fixtures/models/toy_concat.script.pt')

/** A folder of its own for each, with a model in it. */
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-prune-'))
  copyFileSync(join(ROOT, 'test/fixtures/models/toy_resnet.trace_train.pt'), join(folder, 'model.pt'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const INPUT = ['-i', '1,3,32,32']
const prune = (...args: string[]) =>
  spawnSync(process.execPath, [MAIN, 'prune', ...args], { encoding: 'utf8', cwd: folder })

async function parametersOf(file: string): Promise<number> {
  const model = await load(join(folder, file))
  const output = (await model.forward(Tensor.zeros([1, 3, 32, 32]))) as Tensor
  expect(output.shape).toEqual([1, 5])
  const count = [...model.parameters().values()].reduce((sum, { numel }) => sum + numel, 0)
  model.dispose()
  return count
}

describe('espalier prune', () => {
  it('writes a smaller model and its manifest, and tells both sizes', async () => {
    const before = readFileSync(join(folder, 'model.pt'))
    const { status, stdout, stderr } = prune(
      'model.pt',
      ...INPUT,
      '--macs',
      '0.5',
      '-o',
      'small.pt',
      '--manifest',
      'small.json',
    )
    expect([status, stderr]).toEqual([0, expect.stringContaining('Cutting and verifying')])
    const [, params] = /^parameters {2}5,181 -> ([\d,]+) \(/m.exec(stdout) ?? []
    expect(stdout).toMatch(/^MACs {8}2,318,416 -> [\d,]+ \((?:4\d\.\d|50\.0) %\)$/m)
    expect(stdout).toMatch(/^Cut and verified: small\.pt$/m)
    expect(await parametersOf('small.pt')).toBe(Number(params!.replace(',', '')))
    expect(JSON.parse(readFileSync(join(folder, 'small.json'), 'utf8'))).toMatchObject({ schema: 1 })
    expect(readFileSync(join(folder, 'model.pt')).equals(before)).toBe(true)
  })

  it('tells of a wrong shape without the frames that LibTorch adds, which --json keeps', () => {
    const { status, stdout, stderr } = prune('model.pt', '-i', '1,4,32,32', '-o', 'small.pt')
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr.match(/expected input\[1, 4, 32, 32\] to have 3 channels/g)).toHaveLength(1)
    expect(stderr).not.toMatch(/frame #\d|Exception raised from|0x[0-9a-f]{6}/)
    const { error } = JSON.parse(prune('model.pt', '-i', '1,4,32,32', '--json').stdout) as { error: { detail: string } }
    expect(error.detail).toContain('frame #0')
    expect(readdirSync(folder)).toEqual(['model.pt'])
  })

  it('names the small model after the model where nothing else is said', async () => {
    expect(prune('model.pt', ...INPUT).status).toBe(0)
    expect(await parametersOf('model-small.pt')).toBeLessThan(5181)
  })

  it('--dry-run prints the plan, and writes nothing', () => {
    const { status, stdout } = prune('model.pt', ...INPUT, '--params', '0.6', '--dry-run')
    expect([status, readdirSync(folder)]).toEqual([0, ['model.pt']])
    expect(stdout).toMatch(/^group +kind +units +left +in$/m)
    expect(stdout).toMatch(/a dry run/)
  })

  it('--json prints the result, or the error, and nothing else', () => {
    const { stdout, stderr } = prune('model.pt', ...INPUT, '--ratio', '0.25', '--json')
    const { params, groups, output, bytes } = JSON.parse(stdout) as Record<string, number[] | string>
    expect([stderr, output, groups!.length]).toEqual(['', 'model-small.pt', 4])
    expect(params![1]).toBeLessThan(params![0] as number)
    expect(bytes![1]).toBeLessThan(bytes![0] as number)
    const failed = prune('model.pt', ...INPUT, '--macs', '1.5', '--json')
    expect(failed.stderr).toBe('')
    expect(JSON.parse(failed.stdout)).toMatchObject({ error: { code: 'ERR_INVALID_ARGUMENT' } })
  })

  it('--quiet leaves the result alone', () => {
    const { stdout, stderr } = prune('model.pt', ...INPUT, '--quiet')
    expect([stderr, stdout]).toEqual(['', expect.stringContaining('Cut and verified')])
  })

  it('takes its options from a config, which --print-config gives, so that a run can be repeated', () => {
    const args = ['model.pt', ...INPUT, '--macs', '0.6', '--importance', 'groupL1', '--min-keep', '0.25', '--no-exact']
    // A shell has made the file, empty, before the command looks for one.
    writeFileSync(join(folder, 'espalier.config.json'), '')
    const config = prune(...args, '--print-config').stdout
    expect(JSON.parse(config)).toEqual({
      ...{ inputs: ['1,3,32,32'], budget: { macs: 0.6 }, importance: 'groupL1', minKeep: 0.25, exact: false },
    })
    prune(...args, '-o', 'a.pt', '--manifest', 'a.json')
    writeFileSync(join(folder, 'espalier.config.json'), config)
    prune('model.pt', '-o', 'b.pt', '--manifest', 'b.json')
    const [a, b] = ['a.json', 'b.json'].map(
      (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as { keep: object },
    )
    expect(b!.keep).toEqual(a!.keep)
    // What the command line says goes before it.
    expect(JSON.parse(prune('model.pt', '--macs', '0.9', '--print-config').stdout)).toMatchObject({
      budget: { macs: 0.9 },
    })
  })

  it.each<[string, string[], keyof typeof EXIT, RegExp]>([
    ['no input', [SCRIPT], 'usage', /there is no example input/],
    ['an input that is none', ['model.pt', '-i', 'big'], 'usage', /'big' is no example input/],
    ['inputs that the model does not take', ['model.pt', '-i', '1,7'], 'usage', /espalier: /],
    ['an unknown option', ['model.pt', '--mac', '0.5'], 'usage', /Did you mean --macs/],
    [
      'a budget that is none',
      ['model.pt', ...INPUT, '--macs', 'half'],
      'usage',
      /'budget.macs' must be a part above 0 to 1, or a whole number/,
    ],
    [
      'bytes of no unit',
      ['model.pt', ...INPUT, '--budget', 'bytes=10'],
      'usage',
      /'budget.bytes' must be .* with its unit/,
    ],
    [
      'a budget without a value',
      ['model.pt', ...INPUT, '--budget', 'macs'],
      'usage',
      /'macs' is no option with a value/,
    ],
    [
      'a budget of what is none',
      ['model.pt', ...INPUT, '--budget', 'mac=0.5'],
      'usage',
      /'budget.mac' is unknown: did you mean 'macs'/,
    ],
    [
      'an importance that is none',
      ['model.pt', ...INPUT, '--importance', 'groupL3'],
      'usage',
      /did you mean 'groupL1'/,
    ],
    ['a file that is not there', ['none.pt', ...INPUT], 'input', /ERR_READ/],
    ['a file that is no model', ['text.pt', ...INPUT], 'input', /ERR_MODEL_FILE/],
    ['the model itself as the output', ['model.pt', ...INPUT, '-o', './model.pt'], 'usage', /is the model itself/],
    ['an output that can not be written', ['model.pt', ...INPUT, '-o', 'none/small.pt'], 'output', /ERR_WRITE/],
    ['a budget that can not be met', ['model.pt', ...INPUT, '--macs', '0.001'], 'model', /ERR_BUDGET/],
  ])('%s ends with a status of its kind', (_, args, kind, words) => {
    writeFileSync(join(folder, 'text.pt'), 'text')
    const { status, stderr } = prune(...args)
    expect(stderr).toMatch(words)
    expect(stderr).not.toMatch(/^ {4}at /m)
    expect(status).toBe(EXIT[kind].status)
  })

  it('Ctrl-C ends it, and leaves no file', async () => {
    const child = spawn(process.execPath, [MAIN, 'prune', 'model.pt', ...INPUT], { cwd: folder })
    const ended = new Promise<number | null>((resolve) => void child.on('close', resolve))
    child.stderr.once('data', () => child.kill('SIGINT'))
    expect(await ended).toBe(EXIT.aborted.status)
    expect(existsSync(join(folder, 'model-small.pt'))).toBe(false)
  })

  it('has a help with an example, as every command', () => {
    for (const command of ['prune', 'inspect']) {
      const { status, stdout } = spawnSync(process.execPath, [MAIN, command, '--help'], { encoding: 'utf8' })
      expect([status, stdout]).toEqual([0, expect.stringMatching(/^Examples?:\n {2}espalier /m)])
    }
  })
})
