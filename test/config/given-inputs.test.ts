import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { givenInputs } from '../../lib/config/given-inputs.js'
import { Tensor } from '../../lib/torch/index.js'
import { bytesOf, dict, npy, temporary, zip } from '../train/files/bytes.js'

const { folder, write } = temporary()
const IDS = npy(dict("'<i8'", '(1, 2)'), bytesOf(new BigInt64Array([7n, 9n])))
const MASK = npy(dict("'|b1'", '(1, 2)'), new Uint8Array([1, 0]))
write('ids.npy', IDS)
write('mask.npy', MASK)
write(
  'batch.npz',
  zip([
    { name: 'mask.npy', content: MASK },
    { name: 'ids.npy', content: IDS },
  ]),
)

const NAMES = ['ids', 'mask', 'scale']
const given = (...texts: unknown[]) => givenInputs(texts, NAMES)
const shown = (inputs: readonly unknown[]) =>
  inputs.map((each) => (each instanceof Tensor ? [each.dtype, each.shape, Array.from(each.data(), Number)] : each))
const at = (name: string) => join(folder, name)

describe('example inputs of a command', () => {
  it('are in the order in which they are said', async () => {
    expect(await given('int64:1,16', 'bool:1,16')).toEqual(['int64:1,16', 'bool:1,16'])
  })

  it('may be said by name, in any order, behind those without one', async () => {
    expect(await given('mask=bool:1,16', 'ids=int64:1,16')).toEqual(['int64:1,16', 'bool:1,16'])
    expect(await given('int64:1,16', 'scale=number:2', 'mask=none')).toEqual(['int64:1,16', 'none', 'number:2'])
  })

  it('leave texts and dicts alone that have a sign of equality, or end like a file', async () => {
    expect(await given('{ids=int64:1,16; mask=bool:1}', 'text:a=b', 'text:a.npy')).toEqual([
      '{ids=int64:1,16; mask=bool:1}',
      'text:a=b',
      'text:a.npy',
    ])
  })

  it('are read from files, as the type that is said', async () => {
    expect(shown(await given(at('ids.npy'), `mask=bool:${at('mask.npy')}`))).toEqual([
      ['int64', [1, 2], [7, 9]],
      ['bool', [1, 2], [1, 0]],
    ])
  })

  it('are by name in a file of several arrays', async () => {
    expect(shown(await given(at('batch.npz')))).toEqual([
      ['int64', [1, 2], [7, 9]],
      ['uint8', [1, 2], [1, 0]],
    ])
  })

  it.each([
    ['a name that is none', ['masc=bool:1'], "the model has no input 'masc'", "Did you mean 'mask'?"],
    ['a name that is like none', ['q=1'], "the model has no input 'q'", 'Its inputs are ids, mask, scale.'],
    ['one twice', ['int64:1', 'ids=int64:2'], "the input 'ids' is given twice", 'Say each input once.'],
    ['a gap', ['ids=int64:1', 'scale=1'], "the input 'mask' is missing", 'Say it, too: -i mask=1,16'],
    [
      'one without a name behind',
      ['ids=int64:1', 'bool:1'],
      'an input without a name stands behind one that has a name',
      'First those without a name, then those with one.',
    ],
  ])('are refused with %s', async (_, texts, message, hint) => {
    await expect(given(...texts)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message, hint })
  })

  it('are refused from a file that is not there, and where several arrays are to be one input', async () => {
    await expect(given(at('none.npy'))).rejects.toMatchObject({ code: 'ERR_READ' })
    await expect(given(`ids=${at('batch.npz')}`)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining("'ids' is one input"),
    })
  })
})
