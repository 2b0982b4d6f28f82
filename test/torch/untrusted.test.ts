import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load, loadUntrusted, Tensor } from 'espalier'
import { analyse } from 'espalier/analysis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runsWhenLoaded } from '../support/networks.js'
import { address, espalier, run } from '../support/program.js'
import { failure, model, numbers, smallInput } from './support.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-untrusted-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** The bytes of a model of which `lines` run while it is loaded. */
function hostile(...lines: string[]): Promise<Uint8Array> {
  return runsWhenLoaded(Tensor.full([2], 3), ...lines)
}

test('gives the tensors of a file, with tied names, as load does', async () => {
  for (const name of ['small.script.pt', 'tied.script.pt']) {
    const trusted = await load(model(name))
    const seen = await loadUntrusted(model(name))
    for (const of of ['parameters', 'buffers'] as const) {
      expect([...seen[of].keys()]).toEqual([...trusted[of]().keys()])
      for (const [key, tensor] of trusted[of]()) {
        expect(seen[of].get(key)!.shape).toEqual(tensor.shape)
        expect(numbers(seen[of].get(key)!)).toEqual(numbers(tensor))
      }
    }
    const distinct = (of: ReadonlyMap<string, Tensor>) => new Set(of.values()).size
    expect(distinct(seen.parameters)).toBe(distinct(trusted.parameters()))
    expect(seen.record).toBeUndefined()
  }
})

test('gives the op record on example inputs, as record does', async () => {
  const x = smallInput()
  const { record } = await loadUntrusted(readFileSync(model('small.script.pt')), { inputs: [x] })
  const trusted = (await (await load(model('small.script.pt'))).eval().record([x])).record
  expect(record).toEqual(trusted)
  expect(analyse(record!).groups.length).toBe(analyse(trusted).groups.length)
})

describe('a program that runs while it is loaded', () => {
  test('writes a file with load', async () => {
    const path = join(folder, 'written-by-load')
    ;(await load(await hostile(`torch.save(state[0], '${path}')`))).dispose()
    expect(existsSync(path)).toBe(true)
  })
  test('writes none with loadUntrusted', async () => {
    const path = join(folder, 'never-written')
    // LibTorch does not tell whether it could write.
    await loadUntrusted(await hostile(`torch.save(state[0], '${path}')`)).catch(() => undefined)
    expect(existsSync(path)).toBe(false)
  })
  test('reads none with loadUntrusted', async () => {
    const path = join(folder, 'secret')
    writeFileSync(path, 'secret!!')
    const line = `self.weight = torch.from_file('${path}', False, 8, dtype=0).to(6)`
    const error = await failure(async () => loadUntrusted(await hostile(line)))
    expect(error.code).toMatch(/^ERR_/)
  })
  test('is ended when its time is over', async () => {
    const file = await hostile('i = 0', 'while i >= 0:', '  i = (i + 1) % 7')
    const error = await failure(() => loadUntrusted(file, { timeout: 3000 }))
    expect([error.code, error.message]).toEqual(['ERR_LIMIT', 'the file was not loaded within 3000 ms'])
  })
  test('is ended by a signal', async () => {
    const file = await hostile('i = 0', 'while i >= 0:', '  i = (i + 1) % 7')
    const error = await failure(() => loadUntrusted(file, { signal: AbortSignal.timeout(1500) }))
    expect(error.code).toBe('ERR_ABORTED')
  })
  test('gets no more memory than it is given', async () => {
    const file = await hostile('self.weight = torch.ones([500000000])')
    const error = await failure(() => loadUntrusted(file, { memory: 600_000_000 }))
    expect(error.code).toMatch(/^ERR_/)
  })
})

test.each<[string, () => Promise<unknown>, string]>([
  ['a missing file', () => loadUntrusted(join(folder, 'missing.pt')), 'ERR_READ'],
  ['a damaged file', () => loadUntrusted(readFileSync(model('small.script.pt')).subarray(0, 5000)), 'ERR_MODEL_FILE'],
  [
    'limits that are too narrow',
    () => loadUntrusted(model('small.script.pt'), { limits: { entries: 2 } }),
    'ERR_LIMIT',
  ],
  ['no file at all', () => loadUntrusted(5 as unknown as string), 'ERR_INVALID_ARGUMENT'],
])('%s: %s', async (_, action, code) => {
  expect((await failure(action)).code).toBe(code)
})

test('works in several workers and the main thread at once, each with an answer of its own', {
  timeout: 120_000,
}, () => {
  const files = ['small.script.pt', 'tied.script.pt', 'calls.trace.pt'].map((name) => JSON.stringify(model(name)))
  const source = `
    import { isMainThread, parentPort, workerData } from 'node:worker_threads'
    import { loadUntrusted } from ${espalier}
    const files = [${files.join()}]
    const one = async (k) => {
      if (k === 3) return (await loadUntrusted(files[0], { limits: { entries: 2 } }).catch((error) => error)).code
      return [...(await loadUntrusted(files[k])).parameters.keys()].join()
    }
    const tell = isMainThread ? console.log : (text) => parentPort.postMessage(text)
    tell((workerData ?? 0) + ' ' + (await one(workerData ?? 0)))`
  const { status, signal, stdout, stderr } = run(`
    import { Worker } from 'node:worker_threads'
    const url = ${address(source)}
    const workers = [1, 2, 3].map((k) => new Promise((resolve, reject) => {
      new Worker(url, { workerData: k }).on('message', (text) => console.log(text)).on('error', reject).on('exit', resolve)
    }))
    await import(url)
    await Promise.all(workers)`)
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  const [small, tied, calls, refused] = stdout.trim().split('\n').sort()
  expect(small).toMatch(/^0 conv\.weight,conv\.bias,/)
  expect(tied).toMatch(/^1 \w/)
  expect(calls).toMatch(/^2 conv\.weight,conv\.bias,unit\.weight/)
  expect(refused).toBe('3 ERR_LIMIT')
})
