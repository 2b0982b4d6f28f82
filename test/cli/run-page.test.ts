import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { RunPage } from '../../lib/cli/run-page.js'

// Another LibTorch than the package is made for.
vi.mock('../../lib/torch/settings.js', async (original) => ({
  ...(await original<object>()),
  torchVersion: () => '9.8.7',
}))

it('the page of a run names the LibTorch that it ran with', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-run-page-'))
  try {
    const page = new RunPage(join(folder, 'run.html'), { model: 'model.pt', small: 'small.pt', config: {} })
    page.tell({ kind: 'cutting' })
    await page.stop('enough')
    expect(readFileSync(page.path, 'utf8')).toContain('<dt>LibTorch</dt><dd>9.8.7</dd>')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it('the page of an earlier run stays where this one ends before it trains', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-run-page-'))
  try {
    const path = join(folder, 'run.html')
    writeFileSync(path, 'the one before')
    const page = new RunPage(path, { model: 'model.pt', small: 'small.pt', config: {} })
    page.tell({ kind: 'evaluation', stage: 'before', evaluation: { loss: 1, examples: 8 } })
    await page.stop('the budget is out of reach')
    expect(readFileSync(path, 'utf8')).toBe('the one before')

    page.tell({
      kind: 'epoch',
      epoch: 1,
      epochs: 2,
      iteration: 1,
      iterations: 2,
      loss: 1,
      lr: 0.1,
      seconds: 1,
      phase: 'sparse',
    })
    await page.stop('Ctrl-C')
    expect(readFileSync(path, 'utf8')).toContain('Ctrl-C')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
