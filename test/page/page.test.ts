import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PageRecord } from '../../lib/page/input.js'
import { pageOf } from '../../lib/page/page.js'
import { usesOf } from '../../lib/page/uses.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-page-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const evaluation = (stage: string, accuracy: number) => ({
  ...{ kind: 'evaluation', stage, evaluation: { loss: 1 - accuracy, accuracy } },
})
const epoch = (phase: string, k: number) => ({
  ...{ kind: 'epoch', phase, epoch: k, epochs: 2, iteration: k, iterations: 2, loss: 1 / k, lr: 0.1 },
  validation: { loss: 1 / k, accuracy: 0.5 + k / 10 },
})
const RECORDS: PageRecord[] = [
  { kind: 'analysis', coverage: 0.75, groups: [{ id: 0, kind: 'channels', size: 8, scopes: ['a<b>', 'c'] }] },
  evaluation('before', 0.9),
  { kind: 'plan', removed: [{ group: 0, units: [1, 2, 3] }], params: [1000, 625], macs: [20000, 9000] },
  epoch('sparse', 1),
  { kind: 'regularizer', groups: [{ group: 0, kept: 2, chosen: 0.02 }] },
  epoch('sparse', 2),
  { kind: 'regularizer', groups: [{ group: 0, kept: 2, chosen: 0.0002, ratio: 10_000 }] },
  evaluation('cut', 0.88),
  epoch('finetune', 1),
  { ...evaluation('finetuned', 0.91), seconds: 12.25 },
]

/** The figures of the page: title, value and note of each. */
const figuresOf = (page: string) =>
  [...page.matchAll(/<div class="figure"><span>(.*?)<\/span><b>(.*?)<\/b><span>(.*?)<\/span>/g)].map((figure) =>
    figure.slice(1),
  )

/** What the page gives to its script. */
const dataOf = (page: string) =>
  JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/.exec(page)![1]!) as Data
interface Data {
  epochs: { phase: string; loss: number; accuracy: number }[]
  sizes: object[]
  isCut: boolean
}

describe('the page of a run', () => {
  it('has the figures of its records', () => {
    const page = pageOf({
      title: 'net',
      records: RECORDS,
      files: { model: 'm.pt', small: 's.pt', bytes: [4000, 2500] },
      ms: [2, 1],
    })
    for (const words of [
      '91.00 %',
      '90.00 % before',
      '625',
      '62.50 % of 1,000',
      '9,000',
      '2,500',
      '1.00 ms',
      '50.00 % of 2.00 ms',
      '12 s',
    ]) {
      expect(page).toContain(words)
    }
    expect(page).toContain('<td class="number">8</td><td class="number">5</td>')
    expect(page).toContain('1 group; of 8 units 5 stay.')
    // 2 / 0.0002, when it was measured last.
    expect(page).toContain('10,000 ×')
    expect(page).toContain('75.00 % of the parameters')
    expect(dataOf(page)).toEqual({
      epochs: [
        { phase: 'sparse', loss: 1, lr: 0.1, accuracy: 0.6 },
        { phase: 'sparse', loss: 0.5, lr: 0.1, accuracy: 0.7 },
        { phase: 'finetune', loss: 1, lr: 0.1, accuracy: 0.6 },
      ],
      sizes: [
        { epoch: 1, kept: 2, chosen: expect.closeTo(0.02, 12) },
        { epoch: 2, kept: 2, chosen: expect.closeTo(0.0002, 12) },
      ],
      isCut: true,
    })
  })

  it('shows the model as trained where the cut was withheld', () => {
    const withheld = { kind: 'withheld', withheld: { drop: 0.57, maxDrop: 0.05 } }
    const stages = [evaluation('before', 0.99), evaluation('regularized', 0.98), evaluation('cut', 0.41)]
    const page = pageOf({ title: 'net', records: [epoch('sparse', 1), ...stages, withheld] })
    expect(figuresOf(page)).toEqual([
      ['the cut', 'withheld', 'it would lose 0.570'],
      ['accuracy', '98.00 %', '99.00 % before'],
    ])
    expect(page).toContain('<td class="number">0.4100</td>')
  })

  it('needs nothing else, and stays below 2 MB', () => {
    const page = pageOf({ title: 'net', records: RECORDS })
    expect(page).not.toMatch(/\b(?:src|href)="|@import|url\(/)
    expect(page.length).toBeLessThan(2e6)
  })

  it('is made of what there is: of no record, or of a run that goes on', () => {
    expect(pageOf({ title: 'net', records: [] })).not.toContain('NaN')
    const running = pageOf({ title: 'net', records: RECORDS.slice(0, 5), running: true })
    expect(running).toContain('http-equiv="refresh"')
    expect(running).toContain('planned: 62.50 % of 1,000')
    expect(pageOf({ title: 'net', records: RECORDS })).not.toContain('http-equiv="refresh"')
  })

  it('shows each epoch of a run that was resumed once', () => {
    const [analysis, , plan] = RECORDS as [PageRecord, PageRecord, PageRecord]
    const round = [epoch('sparse', 1), epoch('sparse', 2), epoch('sparse', 3)]
    const settings = { kind: 'settings', settings: {} }
    const again = { ...epoch('sparse', 2), loss: 7 }
    const parting = { kind: 'regularizer', groups: [{ group: 0, kept: 2, chosen: 1 }] }
    const { epochs, sizes } = dataOf(
      pageOf({
        title: 'net',
        records: [analysis, plan, ...round, ...round.flatMap((each) => [each, parting]), settings, again, parting],
      }),
    )
    // The first round is whole; of the second the epochs from the checkpoint on are made again.
    expect(epochs.map(({ loss }) => loss)).toEqual([1, 1 / 2, 1 / 3, 1, 7])
    expect((sizes as { epoch: number }[]).map((each) => each.epoch)).toEqual([4, 5])
  })

  it('takes no text for a part of itself', () => {
    const title = '</script><img src=x onerror=alert(1)>'
    const page = pageOf({
      ...{ title, records: [...RECORDS, { kind: 'settings', settings: { loss: title } }], config: { title } },
      frozen: [{ name: title, dim: 0, size: 1, why: title }],
    })
    expect(page).not.toContain('<img')
    expect(page).toContain('a&lt;b&gt;')
  })

  it.each(['report', 'run'])('takes no text for a number, in the page of a %s', (of) => {
    const text = '"></script><img src=x onerror=alert(1)>' as never
    const analysis = { kind: 'analysis', coverage: text, groups: [{ id: text, kind: text, size: 8, scopes: [text] }] }
    const stages = [text, 'before', 'finetuned'].map((stage) => ({
      ...{ kind: 'evaluation', stage, evaluation: { loss: text, accuracy: text, [text]: 1 } },
    }))
    const regularizer = { kind: 'regularizer', groups: [{ group: text, kept: text, chosen: text, ratio: text }] }
    const epochs = [{ ...epoch('sparse', 1), phase: text, loss: text, lr: text, validation: { accuracy: text } }]
    const withheld = { kind: 'withheld', withheld: { drop: text } }
    const run = {
      frozen: [{ name: text, dim: text, size: text, why: text }],
      network: { boxes: [], arrows: [], root: { name: text, lines: [text], parts: [] } },
      ...{ files: { model: text, small: text }, inputs: [text], versions: { [text]: text }, stopped: text },
    }
    const records = [analysis, ...stages, regularizer, ...epochs, withheld, { kind: text }, { kind: '__proto__' }]
    const page = pageOf({ title: text, records, ...(of === 'run' ? run : {}) })
    expect(page).not.toContain('<img')
    expect(page).toContain('&lt;img')
  })

  it('leaves empty what was not measured', () => {
    const records = [
      { kind: 'evaluation', stage: 'before', evaluation: { loss: null, accuracy: 0.5 } },
      { kind: 'evaluation', stage: 'cut', evaluation: null },
      { ...epoch('sparse', 1), loss: null },
      { kind: 'regularizer', groups: [{ group: 0, kept: null, chosen: null, ratio: null }] },
    ]
    const page = pageOf({ title: 'net', records })
    expect(page).toContain('<tr><td>before</td><td class="number">0.5000</td><td class="number"></td></tr>')
    expect(page).toContain('<tr><td>at the cut</td><td class="number"></td><td class="number"></td></tr>')
    expect(dataOf(page).epochs).toEqual([{ phase: 'sparse', lr: 0.1, accuracy: 0.6 }])
  })

  it('tells how the small model is used, in three languages', () => {
    const uses = usesOf('out/small.pt', ['1,3,8,8', 'int64:1,16'])
    expect(uses.map(({ code }) => code.split('\n').at(-1))).toEqual([
      "const output = await model.forward(Tensor.zeros([1, 3, 8, 8]), Tensor.zeros([1, 16], { dtype: 'int64' }))",
      'output = model(torch.zeros(1, 3, 8, 8), torch.zeros(1, 16, dtype=torch.int64))',
      'torch::IValue output = model.forward({torch::zeros({1, 3, 8, 8}), torch::zeros({1, 16}, torch::kInt64)});',
    ])
    expect(usesOf('small.pt', ['[1,3; 1,3]'])[1]!.code).toContain('model(…)')
  })
})

describe('espalier report', () => {
  const report = (...args: string[]) =>
    spawnSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), 'report', ...args], { encoding: 'utf8', cwd: folder })

  it('makes the page of a trajectory', () => {
    writeFileSync(join(folder, 'run.jsonl'), RECORDS.map((record) => `${JSON.stringify(record)}\n`).join(''))
    const { status, stdout } = report('run.jsonl', '--json')
    expect([status, JSON.parse(stdout)]).toEqual([0, { trajectory: 'run.jsonl', records: 10, output: 'run.html' }])
  })

  it.each([
    ['{"kind":"epoch"\n', /line 1: no JSON/],
    ['{"kind":"early"}\n[1]\n', /line 2: no record of a run/],
    [
      '{"kind":"early"}\n\n{"kind":"analysis"}\n',
      /line 3: of kind 'analysis': 'groups' must be a list of groups, not undefined/,
    ],
    [
      '{"kind":"analysis","groups":[{"id":0,"kind":"channels","size":4}]}\n',
      /line 1: of kind 'analysis': 'groups\[0\]' must be/,
    ],
    ['{"kind":"plan","removed":5}\n', /line 1: of kind 'plan': 'removed' must be/],
    ['{"kind":"plan","removed":[],"params":[1]}\n', /line 1: of kind 'plan': 'params.*' must be/],
    ['{"kind":"evaluation","stage":5}\n', /line 1: of kind 'evaluation': 'stage' must be/],
    ['{"kind":"epoch","phase":"late"}\n', /line 1: of kind 'epoch': 'phase' must be 'sparse' or 'finetune'/],
    ['{"kind":"regularizer","groups":[null]}\n', /line 1: of kind 'regularizer': 'groups\[0\]' must be/],
    ['{"kind":"withheld"}\n', /line 1: of kind 'withheld': 'withheld' must be/],
  ])('names the line that is none: %j', (text, words) => {
    writeFileSync(join(folder, 'bad.jsonl'), text)
    const { status, stderr } = report('bad.jsonl')
    expect([status, stderr]).toEqual([3, expect.stringMatching(words)])
  })
})
