import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load, Tensor } from 'espalier'
import type { CutRequest } from 'espalier/torch'
import { afterAll, describe, expect, it } from 'vitest'
import { python } from '../support/python.js'
import { failure, model } from './support.js'

const folder = mkdtempSync(join(tmpdir(), 'espalier-extra-'))
afterAll(() => rmSync(folder, { recursive: true }))

const nothing: CutRequest = {}

describe('extra files of the archive', () => {
  const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes!).toString()

  it('are read, and stay through clone, to, cut and save', async () => {
    const raises = (await load(model('extra.script.pt'))).eval()
    const path = join(folder, 'extra.pt')
    await raises.save(path)
    const recording = await raises.record([Tensor.from([1, 2], [2])])
    const copies = [
      ...[raises, await raises.clone(), await raises.to('float64'), await raises.cut(recording, nothing)],
      ...[await load(path), await load(await raises.toBuffer())],
    ]
    for (const each of copies) {
      expect([...each.extraFiles.keys()]).toEqual(['labels.txt', 'nested/bytes.bin'])
      expect(text(each.extraFiles.get('labels.txt'))).toBe('cat\ndog\n')
      expect(each.extraFiles.get('nested/bytes.bin')).toEqual(Uint8Array.from({ length: 256 }, (_, i) => i))
    }
  })

  it('are given to save, in the place of those that there are', async () => {
    const raises = await load(model('extra.script.pt'))
    const files = { 'config.txt': '{"é": 1}', empty: new Uint8Array() }
    const again = await load(await raises.toBuffer({ extraFiles: files }))
    expect([...again.extraFiles.keys()]).toEqual(['config.txt', 'empty'])
    expect(text(again.extraFiles.get('config.txt'))).toBe('{"é": 1}')
    expect((await load(await again.toBuffer({ extraFiles: {} }))).extraFiles.size).toBe(0)
  })

  it('are refused when they are neither text nor bytes', async () => {
    const raises = await load(model('extra.script.pt'))
    const error = await failure(() => raises.toBuffer({ extraFiles: { 'a.txt': 1 as never } }))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
  })

  it.skipIf(python === undefined)(
    'are those of Python',
    async () => {
      const path = join(folder, 'extra-python.pt')
      const raises = await load(model('extra.script.pt'))
      await raises.save(path, { extraFiles: { 'note.txt': 'from here' } })
      const program = [
        'import sys, torch',
        'f = {"note.txt": ""}',
        'torch.jit.load(sys.argv[1], _extra_files=f)',
        'print(f["note.txt"].decode())',
      ].join('\n')
      const told = execFileSync(python!, ['-W', 'ignore', '-c', program, path], { encoding: 'utf8' })
      expect(told).toBe('from here\n')
    },
    180_000,
  )
})
