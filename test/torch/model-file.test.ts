import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { load, Tensor } from 'espalier'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PACKAGE_ROOT } from '../../lib/libtorch/index.js'
import { expectClose, expected, failure, model, smallInput } from './support.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-file-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const small = () => readFileSync(model('small.script.pt'))

/** A file of the folder with these bytes. */
function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at]! ^= 0x40
  return copy
}

describe('a file that can not be read is ERR_READ with its name and the reason', () => {
  test.each<[string, () => string, RegExp]>([
    ['a missing file', () => join(folder, 'missing.pt'), /missing\.pt: can't be read: .*\(ENOENT\)/],
    ['a directory', () => folder, /can't be read: .*\(EISDIR\)/],
    ['a path through a file', () => join(file('plain', 'x'), 'a.pt'), /can't be read: .*\(ENOTDIR\)/],
  ])('%s', async (_, path, message) => {
    const error = await failure(() => load(path()))
    expect(error.code).toBe('ERR_READ')
    expect(error.message).toMatch(message)
  })
})

describe('a file that is no whole model is ERR_MODEL_FILE with its name and what to do', () => {
  test.each<[string, () => string, RegExp]>([
    ['an empty file', () => file('empty.pt', ''), /empty\.pt: the file is empty/],
    ['a text file', () => file('text.pt', 'just text\n'.repeat(100)), /text\.pt: not a TorchScript archive/],
    ['a state_dict', () => model('state_dict.pt'), /state_dict\.pt: an archive without a TorchScript program/],
    ['half a file', () => file('half.pt', small().subarray(0, 5000)), /half\.pt: the archive is truncated/],
    ['one byte too little', () => file('short.pt', small().subarray(0, -1)), /short\.pt: the archive is truncated/],
    ['a zip of nothing', () => file('nothing.pt', Buffer.from(`PK\x05\x06${'\0'.repeat(18)}`)), /nothing\.pt: /],
  ])('%s', async (_, path, message) => {
    const error = await failure(() => load(path()))
    expect(error.code).toBe('ERR_MODEL_FILE')
    expect(error.message).toMatch(message)
    expect(error.hint).toMatch(/save it in Python|copy it again|path/)
  })

  test('a model for mobile devices', async () => {
    const bytes = Buffer.from('\x18\0\0\0PTMF\0\0\0\0', 'latin1')
    for (const source of [bytes, file('small.ptl', bytes)]) {
      const error = await failure(() => load(source))
      expect(error.code).toBe('ERR_MODEL_FILE')
      expect([error.message, error.hint]).toEqual([
        expect.stringMatching(/for mobile devices \(flatbuffer\)/),
        expect.stringMatching(/Save the model that it was made of/),
      ])
    }
  })

  test('bytes that are none', async () => {
    const error = await failure(() => load(Buffer.from('text')))
    expect([error.code, error.message]).toEqual(['ERR_MODEL_FILE', 'model: not a TorchScript archive'])
  })

  test('a weight with a flipped bit, which LibTorch would load', async () => {
    const bytes = small()
    const weight = (await load(bytes)).parameters().get('fc.weight')!.data() as Float32Array<ArrayBuffer>
    const at = bytes.indexOf(Buffer.from(weight.buffer))
    expect(at).toBeGreaterThan(0)
    const error = await failure(() => load(flipped(bytes, at)))
    expect(error.code).toBe('ERR_MODEL_FILE')
    expect(error.message).toMatch(/damaged: the checksum of its record '.*data\/\d+' is wrong/)
  })

  test('every file with one flipped bit or cut at any place is refused or loads, and the process lives', async () => {
    const bytes = small()
    let refused = 0
    for (let at = 0; at < bytes.length; at += 41) {
      for (const damaged of [flipped(bytes, at), bytes.subarray(0, at)]) {
        try {
          // Bits of the padding and of the zip's dates may flip unseen.
          const network = await load(damaged)
          expectClose((await network.forward(smallInput())) as Tensor, expected.small.output)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_MODEL_FILE' })
          refused++
        }
      }
    }
    expect(refused).toBeGreaterThan(bytes.length / 41)
  })
})

test('a frozen module is refused by name', async () => {
  const error = await failure(() => load(model('frozen.script.pt')))
  expect(error.code).toBe('ERR_FROZEN_MODULE')
  expect(error.message).toContain('frozen.script.pt')
})

test.each([[undefined], [5], [{}], [[1]]])('a source that is neither path nor bytes is refused: %j', async (source) => {
  const error = await failure(() => load(source as unknown as string))
  expect(error.code).toBe('ERR_INVALID_ARGUMENT')
})

test('a device that is none is refused', async () => {
  const error = await failure(() => load(model('small.script.pt'), { device: 'toaster' as 'cpu' }))
  expect(error.code).toBe('ERR_INVALID_ARGUMENT')
})

describe('saving', () => {
  test('to a path or a buffer gives a file that loads and computes the same', async () => {
    const network = await load(model('small.script.pt'))
    const path = join(folder, 'saved.pt')
    await network.save(path)
    expect(readFileSync(path)).toEqual(Buffer.from(await network.toBuffer()))
    for (const source of [path, await network.toBuffer()]) {
      const again = await load(source)
      expect(again.training).toBe(false)
      expectClose((await again.forward(smallInput())) as Tensor, expected.small.output, 0)
    }
  })

  test('leaves nothing beside the file and replaces an older one', async () => {
    const target = join(folder, 'alone')
    mkdirSync(target)
    const network = await load(model('small.script.pt'))
    writeFileSync(join(target, 'a.pt'), 'older')
    await network.save(join(target, 'a.pt'))
    expect(readdirSync(target)).toEqual(['a.pt'])
    expect((await load(join(target, 'a.pt'))).parameters().size).toBe(6)
  })

  test('keeps the train or eval mode', async () => {
    const network = (await load(model('small.script.pt'))).train()
    expect((await load(await network.toBuffer())).training).toBe(true)
  })

  test('the same model gives the same bytes, whatever holds it and whoever asks', async () => {
    const network = await load(model('small.script.pt'))
    const before = Buffer.from(await network.toBuffer())
    const held = [...network.parameters().values(), ...network.buffers().values()]
    const output = (await network.forwardWith([smallInput()], { grad: true })) as Tensor
    await output.backward({ gradient: Tensor.full([2, 5], 1) })
    const after = Buffer.from(await network.toBuffer())
    expect(after.equals(before)).toBe(true)
    expect(Buffer.from(await (await network.clone()).toBuffer()).equals(before)).toBe(true)
    expect(Buffer.from(await (await load(before)).toBuffer()).equals(before)).toBe(true)
    const source = `
      import { load } from ${JSON.stringify(pathToFileURL(join(PACKAGE_ROOT, 'dist/index.js')).href)}
      const other = await load(${JSON.stringify(model('tied.script.pt'))})
      const network = await load(${JSON.stringify(model('small.script.pt'))})
      await (await other.clone()).toBuffer()
      await network.save(${JSON.stringify(join(folder, 'child.pt'))})`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' })
    expect(child.stderr).toBe('')
    expect(readFileSync(join(folder, 'child.pt')).equals(before)).toBe(true)
    expect(held.length).toBe(9)
  })

  test.each<[string, () => string, RegExp]>([
    ['the parent is a file', () => join(file('parent', 'x'), 'a.pt'), /a\.pt: can't be written: .*\(ENOTDIR\)/],
    ['the folder is missing', () => join(folder, 'no/such/a.pt'), /\(ENOENT\)/],
    ['the target is a folder', () => folder, /\(EISDIR\)/],
    ['the path is empty', () => '', /\(EISDIR\)/],
  ])('is ERR_WRITE when %s', async (_, path, message) => {
    const network = await load(model('small.script.pt'))
    const error = await failure(() => network.save(path()))
    expect(error.code).toBe('ERR_WRITE')
    expect(error.message).toMatch(message)
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([])
  })

  test('is ERR_WRITE when the system takes no more bytes, and leaves the older file whole', () => {
    // A limit on the size of files stands for a full file system: both fail in the middle of the writing.
    const path = file('limited.pt', 'older')
    const source = `
      import { load } from ${JSON.stringify(pathToFileURL(join(PACKAGE_ROOT, 'dist/index.js')).href)}
      const network = await load(${JSON.stringify(model('small.script.pt'))})
      await network.save(${JSON.stringify(path)}).catch((error) => console.log(error.code, error.message))
      console.log(network.forwardSync === undefined ? '' : network.parameters().size)`
    const command = `trap '' XFSZ; ulimit -f 4; exec "$0" --input-type=module -e "$1"`
    const child = spawnSync('sh', ['-c', command, process.execPath, source], { encoding: 'utf8' })
    expect(child.stderr).toBe('')
    expect(child.stdout).toMatch(/^ERR_WRITE .*limited\.pt: can't be written: .*\(EFBIG\)\n6\n$/)
    expect(readFileSync(path, 'utf8')).toBe('older')
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([])
  })

  test('refuses a path that is no text', async () => {
    const network = await load(model('small.script.pt'))
    expect((await failure(() => network.save(5 as unknown as string))).code).toBe('ERR_INVALID_ARGUMENT')
    expect(existsSync('5')).toBe(false)
  })
})
