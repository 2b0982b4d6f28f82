import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readExpectations } from '../../scripts/checks/corpus/acceptance.mjs'
import { listCorpus } from '../../scripts/checks/corpus/files.mjs'
import { Oracle, type Request, type Verdict } from '../../scripts/checks/corpus/oracle.mjs'
import { runCorpus } from '../../scripts/checks/corpus/run.mjs'
import { python } from '../support/python.js'

const script = fileURLToPath(new URL('hand_made_cuts.py', import.meta.url))

describe.skipIf(python === undefined)('the oracle, on cuts made by hand', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-oracle-'))
  const verdicts = new Map<string, Verdict>()
  let oracle: Oracle

  beforeAll(async () => {
    execFileSync(python!, [script, folder], { stdio: 'pipe' })
    oracle = new Oracle(python!)
    const requests = readFileSync(join(folder, 'requests.jsonl'), 'utf8').trim().split('\n')
    for (const line of requests)
      for (const verdict of await oracle.judge(JSON.parse(line) as Request)) verdicts.set(verdict.id, verdict)
  })

  afterAll(() => {
    oracle?.stop()
    rmSync(folder, { recursive: true })
  })

  it('passes the right one: both precisions, both weights, three inputs, another batch size and another image size', () => {
    const verdict = verdicts.get('right')!
    expect(verdict.problems).toEqual([])
    expect(verdict.ok).toBe(true)
    // conv1 8x3x3x3+8 -> 4x27+4; bn1 16 -> 8; conv2 6x4x9 -> 3x2x9; norm 6 -> 3; fc 5x6+5 -> 5x3+5
    expect(verdict.params).toEqual([497, 197])
    expect(verdict.batch2).toBe(true)
    expect(verdict.double).toBe(true)
    expect(verdict.error).toBeLessThan(1e-12)
    expect(verdict.sensitivity).toBeGreaterThan(1e-2)
    const runs = verdict.runs.map((run) => `${run.weights} ${run.dtype} ${run.input}`)
    expect(new Set(runs).size).toBe(2 * 2 * 5)
  })

  it('passes one whose file hides a branch behind a zero scale, by its refilled weights', () => {
    expect(verdicts.get('silent and right')!.problems).toEqual([])
  })

  it.each(['norm over what is kept', 'norms of a fused layer'])('passes %s, when the manifest says so', (name) => {
    expect(verdicts.get(name)!.problems).toEqual([])
  })

  it.each([
    ['noisy', 'with random numbers'],
    ['counting', 'with state that every run changes'],
    ['saturated', 'whose output saturates'],
    ['half', 'in half precision, of which float64 proves the rest'],
  ])('passes a right cut and fails a wrong one of a %s network, %s', (kind) => {
    expect(verdicts.get(`${kind} and right`)!.problems).toEqual([])
    expect(verdicts.get(`${kind} and right`)!.double).toBe(true)
    expect(verdicts.get(`${kind} and right`)!.sensitivity).toBeGreaterThan(1e-6)
    expect(verdicts.get(`${kind} and wrong`)!.problems).toContainEqual(
      expect.stringMatching(/^refilled weights, float64, io: relative error/),
    )
  })

  const wrong: [name: string, problem: RegExp][] = [
    ['permuted rows', /^file weights, float64, io: relative error/],
    ['permuted rows', /^conv1.weight does not hold the kept slices/],
    ['one wrong index', /^file weights, float64, io: relative error/],
    ['wrong partner', /^refilled weights, float64, io: relative error/],
    ['moved constant', /^refilled weights, float32, seed 1: relative error/],
    ['swapped halves', /^refilled weights, float32, seed 2: relative error/],
    ['silent and wrong', /^refilled weights, float64, io: relative error/],
    ['tiny error', /^file weights, float64, io: relative error \d(\.\d)?e-09$/],
    ['stale split', /^file weights, float32, io: RuntimeError: The size of tensor a/],
    ['baked batch', /^file weights, float32, batch 2: RuntimeError/],
    ['fewer outputs', /output shapes \[\[2, 3\]\] instead of \[\[2, 5\]\]/],
    ['uncounted', /^the manifest counts \[497, 1\] parameters, the files hold \[497, 197\]$/],
    ['unsorted', /indices kept of norm_weight, dimension 0 are not rising/],
    ['not listed', /^norm_weight has shape \[3, 1, 1\] where the manifest says \[6, 1, 1\]/],
    ['norm not named', /^file weights, float64, io: relative error/],
    ['norm of a fused layer not named', /^file weights, float64, io: relative error/],
    ['norm over others', /^file weights, float64, io: relative error/],
    ['norm that is not there', /call 1 of aten::layer_norm over \[1\], which did not happen$/],
    ['inconclusive', /^refilled weights, float64, io: inconclusive/],
  ]
  it.each(wrong)('fails %s: %s', (name, problem) => {
    expect(verdicts.get(name)!.ok).toBe(false)
    expect(verdicts.get(name)!.problems).toContainEqual(expect.stringMatching(problem))
  })

  it('tells a broken second batch size from a broken model', () => {
    expect(verdicts.get('baked batch')!.batch2).toBe(false)
    expect(verdicts.get('baked batch')!.problems.every((problem) => problem.includes('batch 2'))).toBe(true)
  })

  it('reads a file that is no model as a failed cut, and goes on', async () => {
    const request = JSON.parse(readFileSync(join(folder, 'requests.jsonl'), 'utf8').split('\n')[0]!) as Request
    writeFileSync(join(folder, 'text.pt'), 'no model')
    const right = request.cuts[0]!
    const [broken, fine] = await oracle.judge({
      ...request,
      cuts: [{ ...right, id: 'x', pruned: join(folder, 'text.pt') }, right],
    })
    expect(broken!.ok).toBe(false)
    expect(broken!.problems[0]).toMatch(/^loading: /)
    expect(fine!.ok).toBe(true)
  })

  it('overrules what the pruning process says of itself', async () => {
    const corpus = join(folder, 'corpus')
    mkdirSync(join(corpus, 'io'), { recursive: true })
    symlinkSync(folder, join(corpus, 'cuts'))
    for (const name of ['right', 'swapped halves']) {
      copyFileSync(join(folder, 'original net.pt'), join(corpus, `${name}.script.pt`))
      for (const type of ['json', 'bin']) {
        copyFileSync(join(folder, `net.io.${type}`), join(corpus, 'io', `${name}.${type}`))
      }
    }
    const results = await runCorpus(listCorpus(corpus), {
      modes: ['local'],
      ratio: 0.5,
      expectations: readExpectations(),
      oracle,
      onResult: () => undefined,
      script: fileURLToPath(new URL('fake-prune.mjs', import.meta.url)),
    })
    const [right, wrong] = results.flatMap(({ rows }) => rows)
    expect(right).toMatchObject({ file: 'right.script.pt', status: 'pruned', python: true, batch2: true, passed: true })
    expect(wrong).toMatchObject({ file: 'swapped halves.script.pt', status: 'failed', python: false, passed: false })
  })

  it('answers for a process that ended', async () => {
    const dead = new Oracle(process.execPath)
    const cut = { id: 'a', pruned: 'b', manifest: 'c' }
    const [verdict] = await dead.judge({ original: 'a', io: { header: 'b', data: 'c' }, cuts: [cut] })
    expect(verdict!.problems[0]).toMatch(/^the oracle ended/)
  })
})
