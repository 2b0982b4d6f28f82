import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load, prune, type ScriptModule, Tensor } from 'espalier'

import { afterAll, describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../lib/libtorch/index.js'
import { masked } from '../support/masked.js'
import { python } from '../support/python.js'
import { expectClose, failure, numbers } from './support.js'

const folder = mkdtempSync(join(tmpdir(), 'espalier-written-'))
afterAll(() => rmSync(folder, { recursive: true }))
if (python !== undefined) {
  execFileSync(python, ['-W', 'ignore', join(PACKAGE_ROOT, 'test/fixtures/written.py'), folder])
}

const x = Tensor.from(
  Float32Array.from({ length: 12 }, (_, i) => 8 * Math.sin(3.1 * i)),
  [2, 6],
)
const filesOf = (kind: string) =>
  python === undefined ? [] : readdirSync(join(folder, kind)).filter((name) => name.endsWith('.pt'))

/** What forward gives before `reset`, after it, and once more. */
async function outputs(module: ScriptModule): Promise<Tensor[]> {
  const first = await module.forward(x)
  await module.callMethod('reset', [])
  return [first, await module.forward(x), await module.forward(x)] as Tensor[]
}

describe.skipIf(python === undefined)('a method writes to what forward reads', () => {
  it.each(filesOf('sizes'))('a size or an index comes from it: nothing is cut (%s)', async (name) => {
    const { code } = await failure(async () =>
      prune(await load(join(folder, 'sizes', name)), { inputs: [x], ratio: 0.5 }),
    )
    expect(code).toBe('ERR_NOTHING_PRUNABLE')
  })

  it.each(filesOf('sizes'))('nor when the method runs in the recording, too (%s)', async (name) => {
    const { code } = await failure(async () =>
      prune(await load(join(folder, 'sizes', name)), { inputs: [x], ratio: 0.5, methods: { reset: [] } }),
    )
    expect(code).toBe('ERR_NOTHING_PRUNABLE')
  })

  it.each(filesOf('numbers'))('no size comes from it: the small model finds it, too (%s)', async (name) => {
    const model = await load(join(folder, 'numbers', name))
    const { small, plan } = await prune(model, { inputs: [x], ratio: 0.5 })
    expect(small.parameters().get('a.weight')!.shape).toEqual([8, 6])
    const wanted = await outputs(await masked(model, plan.keep as never))
    for (const each of [await load(await small.toBuffer()), small]) {
      const given = await outputs(each.eval())
      for (const [k, output] of given.entries()) expectClose(output, numbers(wanted[k]!), 1e-5)
    }
  })
})
