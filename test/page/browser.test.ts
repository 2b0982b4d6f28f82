import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { draw, load, Prunable, Tensor } from 'espalier'
import { analyse, describePlan, unitCount } from 'espalier/analysis'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { networkOf } from '../../lib/draw/network/data.js'
import type { PageRecord } from '../../lib/page/input.js'
import { pageOf } from '../../lib/page/page.js'
import { CHROMIUM, openBrowser, opened, screenshotFolder, WINDOWS } from '../support/browser.js'
import { RecordBuilder } from '../support/build.js'
import { writeDigits } from '../support/digit-files.js'
import { DRAWING_FAULTS, LAYOUT_FAULTS, SHOWN } from './checks.js'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

let folder: string
let shots: string
let browser: Browser

/** 500 residual blocks in 4 stages, each with groups of its own: more than a thousand. */
function large() {
  const b = new RecordBuilder()
  let x = b.input(2, 3, 4, 4)
  for (let stage = 0; stage < 4; stage++) {
    x = b.conv(`stage${stage}.down`, x, 16)
    for (let k = 0; k < 125; k++) {
      const name = `stage${stage}.block.${k}`
      const inner = b.conv(`${name}.conv3`, b.conv(`${name}.conv2`, b.conv(`${name}.conv1`, x, 6), 5), 16)
      x = b.op('aten::add', { self: inner, other: x }, [[2, 16, 4, 4]], name)[0]!
    }
  }
  const analysis = analyse(b.record(b.conv('head', x, 4)))
  const removed = new Uint8Array(unitCount(analysis)).map((_, unit) => (unit % 3 === 0 ? 1 : 0))
  return { analysis, plan: describePlan(analysis, removed) }
}

const linesOf = (name: string) =>
  readFileSync(join(folder, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as PageRecord)

beforeAll(async () => {
  if (CHROMIUM === undefined) return
  folder = mkdtempSync(join(tmpdir(), 'espalier-browser-'))
  shots = screenshotFolder()
  browser = await openBrowser()
  await writeDigits(folder)
  const { status, stderr } = spawnSync(
    process.execPath,
    [MAIN, 'sparsify', 'model.pt', '-o', 'small.pt', '--log', 'run.jsonl'],
    { encoding: 'utf8', cwd: folder, env: { ...process.env, OMP_NUM_THREADS: '1' } },
  )
  expect([status, stderr]).toEqual([0, expect.any(String)])
  const { analysis, plan } = large()
  const { groups, coverage } = analysis
  const network = networkOf(analysis, plan)
  const frozen = analysis.frozen.map(({ name, dim, size }) => ({ name, dim, size, why: 'model output' }))
  const records: PageRecord[] = [
    { kind: 'analysis', coverage, groups },
    { kind: 'plan', ...plan },
    ...linesOf('run.jsonl').filter(({ kind }) => kind === 'epoch' || kind === 'evaluation'),
  ]
  writeFileSync(join(folder, 'large.html'), pageOf({ title: 'a large network', records, network, frozen }))
  writeFileSync(join(folder, 'running.html'), pageOf({ title: 'model.pt', records: linesOf('run.jsonl').slice(0, 12) }))
  writeFileSync(join(folder, 'draw.html'), draw(analysis, { format: 'html', plan, title: 'a large network' }))
}, 120_000)
afterAll(async () => {
  await browser?.close()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

/** Has a page note what its charts write. */
const NOTED = `<script>
const written = [], { fillText } = CanvasRenderingContext2D.prototype
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { written.push(text); return fillText.call(this, text, ...rest) }
</script>`

describe.skipIf(CHROMIUM === undefined)('in a browser', () => {
  describe.each(['small', 'large', 'running', 'draw'])('the page %s', (name) => {
    it.each(WINDOWS)('is whole at $width pixels, $colorScheme', async (window) => {
      const { page, errors } = await opened(browser, join(folder, `${name}.html`), window)
      const picture = join(shots, `${name}-${window.width}-${window.colorScheme}.png`)
      await page.screenshot({ path: picture, fullPage: name === 'small' || name === 'running' })
      for (const summary of await page.$$('main details > summary')) await summary.click()
      expect(await page.evaluate(LAYOUT_FAULTS)).toEqual([])
      if (name !== 'running') expect(await page.evaluate(DRAWING_FAULTS)).toEqual([])
      expect(errors).toEqual([])
      await page.close()
    })
  })

  it('a run has the figures of its trajectory, in less than 2 MB', async () => {
    const { page } = await opened(browser, join(folder, 'small.html'), WINDOWS[0])
    const { epochs, sizes, figures, widths } = (await page.evaluate(SHOWN)) as {
      [key in 'epochs' | 'sizes' | 'figures' | 'widths']: unknown[]
    }
    await page.close()
    expect(statSync(join(folder, 'small.html')).size).toBeLessThan(2e6)
    const lines = linesOf('run.jsonl')
    const of = <T>(kind: string) => lines.filter((line) => line.kind === kind) as unknown as T[]
    expect(epochs).toEqual(
      of<{ phase: string; loss: number; lr: number; validation: { accuracy: number } }>('epoch').map(
        ({ phase, loss, lr, validation: { accuracy } }) => ({ phase, loss, lr, accuracy }),
      ),
    )
    expect(sizes).toHaveLength(of('regularizer').length)
    const percent = (part: number) => `${(100 * part).toFixed(2)} %`
    const whole = (count: number) => count.toLocaleString('en-US')
    const evaluations = of<{ stage: string; evaluation: { accuracy: number } }>('evaluation')
    const accuracy = (stage: string) => percent(evaluations.find((each) => each.stage === stage)!.evaluation.accuracy)
    const { params, macs, removed } = of<Plan>('plan').at(-1)!
    const bytes = ['model.pt', 'small.pt'].map((file) => statSync(join(folder, file)).size) as Pair
    const sized = (title: string, [before, after]: Pair) => [
      ...[title, whole(after), `${percent(after / before)} of ${whole(before)}`],
    ]
    expect(figures.slice(0, 4)).toEqual([
      ['accuracy', accuracy('finetuned'), `${accuracy('before')} before`],
      sized('parameters', params),
      sized('MACs', macs),
      sized('bytes', bytes),
    ])
    const [{ groups }] = of<{ groups: { id: number; size: number }[] }>('analysis') as [never]
    const gone = new Map(removed.map(({ group, units }) => [group, units.length]))
    expect(widths.slice(0, (groups as object[]).length)).toEqual(
      (groups as { id: number; size: number }[]).map(({ id, size }) => [id, size, size - (gone.get(id) ?? 0)]),
    )
  })

  it.each([
    ['is cut and fine-tuned', [], true],
    ['is cut and not fine-tuned', ['finetune', 'finetuned'], true],
    ['goes on before its cut', ['cut', 'finetune', 'finetuned'], false],
    ['has its cut withheld', ['finetune', 'finetuned', 'withheld'], false],
  ])('a run that %s shows the cut in its charts where its words say so', async (_, without, isCut) => {
    const withheld = { kind: 'withheld', withheld: { drop: 0.5, maxDrop: 0.05 } }
    const records = linesOf('run.jsonl').filter(
      ({ kind, phase, stage }) => ![kind, phase, stage].some((name) => without.includes(name as string)),
    )
    const all = without.includes('withheld') ? [...records, withheld] : records
    const path = join(folder, 'cut.html')
    writeFileSync(path, pageOf({ title: 'model.pt', records: all }).replace('<head>', `<head>${NOTED}`))
    const { page, errors } = await opened(browser, path, WINDOWS[0])
    const words = await page.locator('section', { hasText: 'Over the run' }).textContent()
    expect([words!.includes('the dashed line is the cut'), await page.evaluate(`written.includes('cut')`)]).toEqual([
      ...[isCut, isCut],
    ])
    expect(await page.evaluate('written.length')).toBeGreaterThan(0)
    expect(errors).toEqual([])
    await page.close()
  })

  it('a network folds and unfolds, is searched, moved and made larger, and fits again', async () => {
    const { page, errors } = await opened(browser, join(folder, 'small.html'), WINDOWS[0])
    const count = () => page.locator('.network .box').count()
    const place = () => page.locator('.network .stage').getAttribute('transform')
    await page.click('.fold')
    const folded = await count()
    expect(await page.evaluate(DRAWING_FAULTS)).toEqual([])
    await page.click('.unfold')
    const unfolded = await count()
    expect(unfolded).toBeGreaterThan(folded)
    expect(await page.evaluate(DRAWING_FAULTS)).toEqual([])
    const fitted = await place()
    await page.click('.more')
    const larger = await place()
    expect(larger).not.toBe(fitted)
    const svg = (await page.locator('.network svg').boundingBox())!
    await page.mouse.move(svg.x + 5, svg.y + 5)
    await page.mouse.down()
    await page.mouse.move(svg.x + 65, svg.y + 45)
    await page.mouse.up()
    const [before, after] = [larger, await place()].map((text) => /\((\S+) (\S+)\)/.exec(text!)!.slice(1).map(Number))
    expect([after![0]! - before![0]!, after![1]! - before![1]!]).toEqual([expect.closeTo(60, 1), expect.closeTo(40, 1)])
    await page.click('.fit')
    expect(await place()).toBe(fitted)
    await page.click('.fold')
    await page.fill('.network input', 'layer3.0.conv1')
    await page.press('.network input', 'Enter')
    expect(await page.locator('.network .match').allTextContents()).toEqual([expect.stringContaining('layer3.0.conv1')])
    expect(await page.locator('.network .found').textContent()).toBe('1 found')
    for (const module of ['layer1.0.bn1', 'layer3.0.bn2', 'layer2.0.shortcut.1']) {
      await page.fill('.network input', module)
      expect([module, await page.locator('.network .found').textContent()]).toEqual([module, '1 found'])
    }
    await page.locator('td button[data-group="4"]').click()
    expect(await page.locator('.network .lit').count()).toBeGreaterThan(0)
    expect(errors).toEqual([])
    await page.close()
  })

  it('every group that is pointed at lights up, also those that share boxes with others', async () => {
    const model = await load(fileURLToPath(new URL('../../examples/data/vit.script.pt', import.meta.url)))
    const { analysis } = await Prunable.of(model, { inputs: [Tensor.zeros([1, 1, 8, 8])] })
    model.dispose()
    const path = join(folder, 'vit.html')
    writeFileSync(path, draw(analysis, { format: 'html' }))
    const { page, errors } = await opened(browser, path, WINDOWS[0])
    const unlit: number[] = []
    for (const { id } of analysis.groups) {
      await page.locator(`nav button[data-group="${id}"]`).click()
      if ((await page.locator('.network .lit').count()) === 0) unlit.push(id)
    }
    expect([analysis.groups.length > 3, unlit, errors]).toEqual([true, [], []])
    await page.close()
  })

  it('a thousand groups open at once, and what is too much is not unfolded', async () => {
    const start = performance.now()
    const { page } = await opened(browser, join(folder, 'large.html'), WINDOWS[0])
    expect(performance.now() - start).toBeLessThan(60_000)
    expect(await page.locator('table.wide').first().locator('tbody tr').count()).toBeGreaterThan(1000)
    expect(await page.locator('.network .box').count()).toBeLessThan(60)
    expect(await page.locator('.unfold').isDisabled()).toBe(true)
    await page.fill('.network input', 'stage2.block.77.conv2')
    await page.press('.network input', 'Enter')
    expect(await page.locator('.network .match').allTextContents()).toEqual([
      expect.stringContaining('stage2.block.77.conv2'),
    ])
    await page.close()
  }, 120_000)

  it('a page follows a run that goes on: it is there from the first epoch, and loads itself again', async () => {
    const text = pageOf({ title: 'model.pt', records: linesOf('run.jsonl').slice(0, 6), running: true })
    const path = join(folder, 'goes-on.html')
    writeFileSync(path, text.replace(/(http-equiv="refresh" content=")\d+/, '$11'))
    const { page, errors } = await opened(browser, path, WINDOWS[0])
    await page.waitForFunction(`document.querySelector('.running') !== null`)
    // As a run writes it: a page that is read is whole.
    writeFileSync(`${path}.new`, pageOf({ title: 'model.pt', records: linesOf('run.jsonl') }))
    renameSync(`${path}.new`, path)
    await page.waitForFunction(`document.querySelector('.running') === null`)
    expect(errors).toEqual([])
    await page.close()
  })
})

type Pair = [number, number]
interface Plan {
  params: Pair
  macs: Pair
  removed: { group: number; units: number[] }[]
}
