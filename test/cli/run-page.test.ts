import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
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
