import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChannelGroup } from 'espalier'
import type { GroupKind } from 'espalier/analysis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  countPruned,
  leastRemoved,
  type Row,
  readExpectations,
  shortfalls,
} from '../../scripts/checks/corpus/acceptance.mjs'
import { type CorpusFile, listCorpus, type Peer, readInputs } from '../../scripts/checks/corpus/files.mjs'
import { whyNothing } from '../../scripts/checks/corpus/nothing.mjs'
import { formatFile, formatTotals } from '../../scripts/checks/corpus/report.mjs'
import { type FileResult, runCorpus } from '../../scripts/checks/corpus/run.mjs'

const folder = mkdtempSync(join(tmpdir(), 'espalier-driver-'))
const names = ['crash', 'dies', 'exit', 'fine', 'hang', 'nameless', 'nothing', 'refuse', 'silent']

beforeAll(() => {
  for (const name of [...names, 'twice']) writeFileSync(join(folder, `${name}.trace.pt`), '')
  writeFileSync(join(folder, 'twice.trace_train.pt'), '')
  mkdirSync(join(folder, 'io'))
  const numbers = new Uint8Array(8 + 24)
  new Float32Array(numbers.buffer, 0, 2).set([0.5, -2])
  new BigInt64Array(numbers.buffer, 8, 3).set([7n, 8n, -9n])
  writeFileSync(join(folder, 'io', 'fine.bin'), numbers)
  const inputs = [
    { shape: [1, 2], dtype: 'float32', offset: 0 },
    { shape: [3], dtype: 'int64', offset: 8 },
  ]
  writeFileSync(join(folder, 'io', 'fine.json'), JSON.stringify({ inputs, outputs: [] }))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('a corpus folder', () => {
  it('is read by the names of its files, without a manifest too', () => {
    expect(listCorpus(folder).map(({ name, form }) => `${name} ${form}`)).toEqual([
      ...names.map((name) => `${name} trace`),
      'twice trace',
      'twice trace_train',
    ])
  })

  it('measures a trace taken in train mode by the one taken in eval mode', () => {
    const twice = listCorpus(folder).filter(({ name }) => name === 'twice')
    expect(twice.map(({ reference }) => reference)).toEqual([undefined, join(folder, 'twice.trace.pt')])
  })

  it('holds raw little-endian inputs', () => {
    const fine = listCorpus(folder).find(({ name }) => name === 'fine')!
    expect(readInputs(fine.io)).toEqual([
      { data: Float32Array.of(0.5, -2), shape: [1, 2], dtype: 'float32' },
      { data: BigInt64Array.of(7n, 8n, -9n), shape: [3], dtype: 'int64' },
    ])
  })
})

describe('the driver', () => {
  let results: FileResult[]
  const row = (file: string, mode: string) =>
    results.flatMap(({ rows }) => rows).find((r) => r.file.startsWith(file) && r.mode === mode)!

  beforeAll(async () => {
    results = await runCorpus(
      listCorpus(folder).filter(({ name }) => names.includes(name)),
      {
        modes: ['local', 'global'],
        ratio: 0.5,
        expectations: readExpectations(),
        oracle: undefined,
        onResult: () => undefined,
        script: fileURLToPath(new URL('fake-prune.mjs', import.meta.url)),
        limitMs: 1500,
      },
    )
  })

  it('passes what is pruned, and refusals that name an operator', () => {
    expect(row('fine', 'local')).toMatchObject({ status: 'pruned', passed: true, coverage: 0.9, params: [1000, 300] })
    expect(row('refuse', 'local')).toMatchObject({ status: 'refused', passed: true, operator: 'aten::topk' })
    expect(row('nameless', 'global')).toMatchObject({ status: 'refused', passed: false })
  })

  it('tells that there is nothing to remove from a failure, as long as there is a reason', () => {
    expect(row('nothing', 'local')).toMatchObject({ status: 'nothing', passed: true, reason: 'no group: model output' })
    expect(row('silent', 'local')).toMatchObject({ passed: false, problems: ['nothing was removed, without a reason'] })
    const text = formatFile(results.find(({ file }) => file.name === 'nothing')!)
    expect(text).toMatch(/^ok .*local: nothing to remove \(no group: model output\)/)
  })

  it('reports a hang and goes on; what was done before it counts', () => {
    expect(row('hang', 'local')).toMatchObject({ status: 'pruned', passed: true })
    expect(row('hang', 'global')).toMatchObject({ status: 'failed', problems: ['no answer within 1.5 s'] })
  })

  it('reports crashes, also after the work and in silence', () => {
    expect(row('crash', 'global').problems[0]).toMatch(/^the process ended with SIGABRT/)
    expect(row('dies', 'local').problems[0]).toMatch(/^the process ended with SIGSEGV/)
    expect(row('exit', 'local').problems[0]).toMatch(/^the process ended with status 0/)
  })

  it('prints a line a file with its problems below, and totals', () => {
    const text = formatFile(results.find(({ file }) => file.name === 'hang')!)
    expect(text).toMatch(
      /^FAILED hang\.trace\.pt +coverage {2}90\.0 % .*frozen by model output 100 %\n +global: no answer/,
    )
    // Failed: one mode of crash and hang, both of dies, exit, nameless and silent.
    expect(formatTotals(results, 3)).toMatch(/\n6 passed, 2 had nothing to remove, 10 failed$/)
    expect(formatTotals(results, 3)).toContain(
      "\n1 approximate cuts:\n  fine.trace.pt, local: aten::layer_norm in 'n'\n",
    )
  })
})

const NORM = "aten::layer_norm in 'n' over dimension 2"

describe('a mode has nothing to remove', () => {
  const group = (kind: GroupKind, size: number, exact = true): ChannelGroup => ({
    id: 0,
    kind,
    size,
    members: [],
    scopes: [],
    exact,
    approximation: exact ? [] : [NORM],
  })
  const cases: [what: string, groups: ChannelGroup[], mode: string, reason: string | undefined][] = [
    ['of a model without groups', [], 'local', 'no group: model output, unknown operator aten::bincount'],
    [
      'where all groups cross norms and only exact ones may go',
      [group('channels', 8, false)],
      'exact',
      'no exact group: aten::layer_norm',
    ],
    [
      'where there are heads alone, which a plain ratio leaves',
      [group('heads', 8)],
      'global',
      'no group of inner units',
    ],
    ['where there are no heads', [group('head-dims', 8)], 'heads', 'no group of heads'],
    ['where there is one head', [group('heads', 1)], 'heads', 'no group of more than 1 units'],
    ['never where there are channels', [group('channels', 2)], 'local', undefined],
    ['never where a norm is computed over what is kept', [group('channels', 8, false)], 'global', undefined],
  ]
  it.each(cases)('%s', (_, groups, mode, reason) => {
    const topReasons = [
      { reason: { kind: 'model output' }, elements: 9 },
      { reason: { kind: 'unknown operator', operator: 'aten::bincount' }, elements: 3 },
    ]
    const told = whyNothing({ groups, topReasons, frozen: [], coverage: 0 }, mode, 0.5)
    if (reason === undefined) expect(told).toBeUndefined()
    else expect(told).toContain(reason)
  })

  it('never without anything to name', () => {
    expect(whyNothing({ groups: [], topReasons: [], frozen: [], coverage: 0 }, 'local', 0.5)).toBeUndefined()
  })
})

describe('acceptance', () => {
  const expectations = {
    share_of_peer: 0.9,
    least_removed: 0.3,
    least_coverage: 0.7,
    share_of_models: 0.95,
    peer_error: 1e-5,
  }
  const peer = (rel: number | null, norms = 0): Peer => ({
    graph_ok: true,
    local: { ok: true, params_before: 100, params_after: 40, masked_equivalence: { rel, cross_channel_norms: norms } },
  })
  const file = (name: string, peer?: Peer) => ({ name, ...(peer && { peer }) }) as CorpusFile
  const pruned = (after: number, more: Partial<Row> = {}) =>
    ({
      status: 'pruned',
      mode: 'local',
      params: [100, after],
      coverage: 0.9,
      unexplained: [] as string[],
      ms: 100,
      ...more,
    }) as Row

  it('wants 0.9 of what the peer removes, where the peer is right', () => {
    expect(leastRemoved(expectations, file('named', peer(1e-7)), 'local').least).toBeCloseTo(0.54, 12)
    expect(shortfalls(pruned(46), file('named', peer(1e-7)), expectations)).toEqual([])
    expect(shortfalls(pruned(47), file('named', peer(1e-7)), expectations)).toEqual([
      'removes 53.0 % of the parameters, at least 54.0 % wanted (the peer removes 60.0 %)',
    ])
  })

  it.each([
    ['gives other outputs', peer(0.1)],
    ['was not compared', peer(null)],
    ['needs norms across channels', peer(0, 2)],
    ['fails', { graph_ok: true, local: { ok: false } }],
    ['has no graph', { ...peer(0), graph_ok: false }],
    ['is absent', undefined],
  ])('wants 30 percent where the peer %s', (_, wrong) => {
    expect(leastRemoved(expectations, file('named', wrong), 'local').least).toBe(0.3)
  })

  it('takes less where little can be pruned and every frozen dimension has its reason', () => {
    const wanted = 'removes 10.0 % of the parameters, at least 30.0 % wanted (the peer fails or is wrong)'
    expect(shortfalls(pruned(90), file('other'), expectations)).toEqual([wanted])
    expect(shortfalls(pruned(90, { coverage: 0.6 }), file('other'), expectations)).toEqual([])
    const silent = pruned(90, { coverage: 0.6, unexplained: ['conv.weight[0]'] })
    expect(shortfalls(silent, file('other'), expectations)).toEqual([wanted, 'frozen without a reason: conv.weight[0]'])
    expect(shortfalls(pruned(90, { coverage: 0.6 }), file('other', peer(0)), expectations)).toHaveLength(1)
  })

  it('wants heads out of every attention, or what ties them', () => {
    const whole = ["heads of aten::bmm in 'a'", "heads of aten::bmm in 'b': no such unit in [2,1,3]"]
    expect(shortfalls(pruned(99, { mode: 'heads', whole }), file('other'), expectations)).toEqual([
      "nothing removed of heads of aten::bmm in 'a'",
    ])
  })

  it('wants an operator named by a refusal, and an answer within 30 s', () => {
    const refused = { status: 'refused', code: 'ERR_UNSUPPORTED', mode: 'local' } as Row
    expect(shortfalls({ ...refused, operator: 'aten::topk' }, file('other'), expectations)).toEqual([])
    expect(shortfalls(refused, file('other'), expectations)).toHaveLength(1)
    expect(shortfalls(pruned(40, { ms: 30_001 }), file('other'), expectations)).toEqual(['took 30001 ms'])
  })

  it('counts a model as pruned when all of its files are, in every mode', () => {
    const rows = ['a.trace.pt', 'a.script.pt', 'b.trace.pt', 'b.trace.pt'].map(
      (name, k) => ({ file: name, status: k === 3 ? 'refused' : 'pruned' }) as Row,
    )
    expect(countPruned(rows, expectations)).toEqual({ pruned: 1, models: 2, enough: false })
    expect(countPruned(rows.slice(0, 2), expectations)).toEqual({ pruned: 1, models: 1, enough: true })
    const nothing = { file: 'c.trace.pt', status: 'nothing' } as Row
    expect(countPruned([...rows.slice(0, 2), nothing], expectations)).toEqual({ pruned: 1, models: 1, enough: true })
  })
})
