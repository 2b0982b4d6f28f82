import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Dataset } from 'espalier'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { digits } from '../../examples/digits.js'
import { EXIT } from '../../lib/cli/exit.js'
import { DIGITS_CONFIG, writeDigits } from '../support/digit-files.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const MAIN = join(ROOT, 'dist/cli/main.js')

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-sparsify-'))
  await writeDigits(folder)
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A PNG file for each of the first examples, in the folder of its class. */
async function writePictures(name: string, data: Dataset, size: number): Promise<void> {
  const { inputs, targets } = await data.batch(Int32Array.from({ length: size }, (_, k) => k))
  for (let k = 0; k < size; k++) {
    const values = inputs[0]!.data.subarray(64 * k, 64 * (k + 1)) as Float32Array
    const raw = Uint8Array.from(values, (value) => Math.round(127.5 * (value + 1)))
    const place = join(folder, name, String(targets!.data[k]))
    mkdirSync(place, { recursive: true })
    await sharp(raw, { raw: { width: 8, height: 8, channels: 1 } })
      .png()
      .toFile(join(place, `${k}.png`))
  }
}

const espalier = (...args: string[]) =>
  spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  })
const read = (name: string) => readFileSync(join(folder, name))
interface Line {
  kind: string
  stage?: string
  evaluation?: { accuracy: number }
}
const linesOf = (name: string) =>
  read(name)
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)

/** What the charts of a page are drawn from. */
const curvesOf = (name: string) =>
  JSON.parse(/id="data">(.*?)<\/script>/.exec(read(name).toString())![1]!) as { epochs: object[]; sizes: object[] }

describe('espalier sparsify', () => {
  it('does the whole job: a smaller model, its page, its trajectory and its manifest', () => {
    const { status, stdout, stderr } = espalier(
      'sparsify',
      'model.pt',
      '-o',
      'small.pt',
      '--manifest',
      'small.json',
      '--log',
      'run.jsonl',
    )
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(/^regularized 40\/40: loss \S+, accuracy \S+ \(\S+ s\)$/m),
    ])
    expect(stdout).toMatch(/^Cut, verified and fine-tuned: small\.pt$/m)
    const evaluations = linesOf('run.jsonl').filter(({ kind }) => kind === 'evaluation')
    const accuracy = (stage: string) => evaluations.find((line) => line.stage === stage)!.evaluation!.accuracy
    expect(accuracy('regularized') - accuracy('cut')).toBeLessThanOrEqual(0.005)
    expect(read('small.html').toString()).toContain(`<b>${(100 * accuracy('finetuned')).toFixed(2)} %</b>`)
    expect(stdout).toContain(`finetuned   accuracy ${accuracy('finetuned').toFixed(4)}`)
    // Where it was is of no use once it is done.
    expect(existsSync(join(folder, 'small.pt.checkpoint'))).toBe(false)
  }, 120_000)

  it('goes on after Ctrl-C, and comes to the same', async () => {
    const child = spawn(process.execPath, [MAIN, 'sparsify', 'model.pt', '-o', 'other.pt', '--log', 'other.jsonl'], {
      ...{ cwd: folder, env: { ...process.env, OMP_NUM_THREADS: '1' } },
    })
    let told = ''
    child.stderr.on('data', (text) => {
      told += String(text)
      if (!child.killed && /^regularized 5\/40/m.test(told)) child.kill('SIGINT')
    })
    const status = await new Promise((resolve) => void child.on('close', resolve))
    expect([status, told]).toEqual([
      EXIT.aborted.status,
      expect.stringContaining('goes on from other.pt.checkpoint with --resume'),
    ])
    expect(existsSync(join(folder, 'other.pt'))).toBe(false)
    expect(read('other.html').toString()).toMatch(/ended before it was done: .* with --resume\./)
    expect(read('other.html').toString()).not.toContain('http-equiv="refresh"')
    const resumed = espalier('sparsify', 'model.pt', '-o', 'other.pt', '--log', 'other.jsonl', '--resume')
    expect(resumed.status).toBe(0)
    expect(resumed.stderr).not.toMatch(/^regularized [1-4]\/40/m)
    expect(read('other.pt').equals(read('small.pt'))).toBe(true)
    // Its page, and one of its trajectory, have what a run has that was never stopped.
    expect(espalier('report', 'other.jsonl', '-o', 'report.html').status).toBe(0)
    const [whole, other, report] = ['small.html', 'other.html', 'report.html'].map((name) => curvesOf(name))
    expect(whole!.epochs).toHaveLength(42)
    expect([other!.epochs, report!.epochs]).toEqual([whole!.epochs, whole!.epochs])
    expect(report!.sizes).toEqual(whole!.sizes)
  }, 120_000)

  it('needs no labels: the model as it is teaches the smaller one', () => {
    const { status, stdout } = espalier('sparsify', 'model.pt', '-o', 'taught.pt', '--no-labels', '--no-page', '--json')
    const { settings, evaluations } = JSON.parse(stdout) as {
      settings: object
      evaluations: Record<string, { agreement: number }>
    }
    expect([status, settings]).toEqual([0, expect.objectContaining({ loss: 'teacher' })])
    expect(evaluations.finetuned!.agreement).toBeGreaterThan(0.9)
  }, 120_000)

  it('learns from a folder of pictures, with a folder for each class', async () => {
    await writePictures('photos', digits().train, 300)
    writeFileSync(join(folder, 'photos', '3', 'broken.png'), 'no picture')
    const { data: _, ...rest } = DIGITS_CONFIG
    writeFileSync(
      join(folder, 'pictures.json'),
      JSON.stringify({ ...rest, sparse: { ...DIGITS_CONFIG.sparse, epochs: 60 } }),
    )
    const photos = 'photos/:mean=0.5,std=0.5,crop=1,scale=0.9,flip=false'
    const args = ['--config', 'pictures.json', '--data', photos, '--validation', '0.3', '-o', 'photos.pt', '--no-page']
    const { status, stdout, stderr } = espalier('sparsify', 'model.pt', ...args)
    expect([status, stderr]).toEqual([0, expect.stringMatching(/1 broken pictures are left out: 3.broken.png/)])
    const accuracy = (stage: string) => Number(new RegExp(`^${stage} +accuracy (\\S+),`, 'm').exec(stdout)![1])
    // The model was trained on these examples: the pictures say the same.
    expect(accuracy('before')).toBeGreaterThan(0.97)
    expect(accuracy('finetuned')).toBeGreaterThan(0.9)
  }, 120_000)

  it.each<[string, string[], keyof typeof EXIT, RegExp]>([
    [
      'data that are not there',
      ['--data', 'none.npz'],
      'input',
      /none\.npz could not be read: no such file or directory \(ENOENT\)/,
    ],
    ['data that can not be read', ['--data', 'model.pt'], 'usage', /is no data that can be read/],
    ['a broken file of data', ['--data', 'broken.npz'], 'input', /broken\.npz/],
    ['a phase that is too short', ['--sparse-epochs', '1'], 'usage', /fading needs \d+ at least/],
    ['an optimizer that is none', ['--sparse-optimizer', 'adam:lr=1'], 'usage', /did you mean 'adamw'/],
    ['a page in the place of the model', ['--page', 'model.pt'], 'usage', /model\.pt is the model itself/],
    ['a trajectory in the place of the model', ['--log', './model.pt'], 'usage', /model\.pt is the model itself/],
    ['two outputs in one file', ['-o', 'x.html', '--page', './x.html'], 'usage', /x\.html would be written twice/],
    ['a teacher that is not there', ['--teacher', 'none.pt'], 'input', /none\.pt/],
  ])('%s ends with a status of its kind', (_, args, kind, words) => {
    writeFileSync(join(folder, 'broken.npz'), 'PK')
    const { status, stderr } = espalier('sparsify', 'model.pt', '--no-page', ...args)
    expect(stderr).toMatch(words)
    expect(status).toBe(EXIT[kind].status)
  })

  it('without data is refused, and told what there is without', () => {
    const config = join(folder, 'none.json')
    writeFileSync(config, '{"inputs":["1,1,8,8"]}')
    const { status, stderr } = espalier('sparsify', 'model.pt', '--config', config)
    expect([status, stderr]).toEqual([2, expect.stringMatching(/no data to train on[\s\S]*espalier prune/)])
  })
})

describe('what is made of the small model', () => {
  it('evaluate measures it, as the run did', () => {
    const { stdout } = espalier('evaluate', 'small.pt', '--data', 'val.safetensors', '--json', '--config', empty())
    const last = linesOf('run.jsonl').findLast(({ kind }) => kind === 'evaluation')
    expect((JSON.parse(stdout) as { accuracy: number }).accuracy).toBe(last!.evaluation!.accuracy)
  })

  it('finetune trains it on, and leaves it as it is', () => {
    const before = read('small.pt')
    const args = ['--data', 'train.safetensors', '--validation', 'val.safetensors', '--epochs', '2']
    const { status, stdout } = espalier('finetune', 'small.pt', ...args, '--json', '--config', empty())
    const { output, history } = JSON.parse(stdout) as {
      output: string
      history: { loss: number; validation: { accuracy: number } }[]
    }
    expect([status, output, history.length]).toEqual([0, 'small-tuned.pt', 2])
    expect(history[1]!.validation.accuracy).toBeGreaterThan(0.95)
    expect(existsSync(join(folder, 'small-tuned.pt'))).toBe(true)
    expect(read('small.pt').equals(before)).toBe(true)
  })

  it('compare puts it beside the model', () => {
    const args = ['-i', '1,1,8,8', '--data', 'val.safetensors', '--batches', '1,4', '--threads', '1', '--rounds', '5']
    const { status, stdout } = espalier('compare', 'model.pt', 'small.pt', ...args, '--json', '--config', empty())
    const { sizes, times, evaluations } = JSON.parse(stdout) as Record<string, Record<string, number>[]>
    expect(status).toBe(0)
    expect(sizes![1]!.macs! / sizes![0]!.macs!).toBeLessThanOrEqual(0.6)
    expect(times!.map(({ batch, threads }) => [batch, threads])).toEqual([
      [1, 1],
      [4, 1],
    ])
    expect(evaluations!.map(({ agreement }) => agreement! > 0.9)).toEqual([true, true])
    expect(evaluations![0]!.agreement).toBe(1)
  })

  it('replay cuts the same from the model, and diff sees no difference', () => {
    const { status, stdout } = espalier(
      'replay',
      'model.pt',
      'small.json',
      '-i',
      '1,1,8,8',
      '-o',
      'again.pt',
      '--config',
      empty(),
    )
    expect([status, stdout]).toEqual([0, expect.stringContaining('Cut and verified: again.pt')])
    expect(espalier('diff', 'small.json', 'small.json').stdout).toContain('Both keep the same.')
  })

  /** Those of the folder are of another command. */
  function empty(): string {
    const path = join(folder, 'empty.json')
    writeFileSync(path, '{}')
    return path
  }
})
