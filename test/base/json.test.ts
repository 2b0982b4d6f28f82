import { describe, expect, it } from 'vitest'
import { fromJson, toJson } from '../../lib/base/json.js'

describe('JSON that keeps everything', () => {
  const values: [what: string, value: unknown][] = [
    [
      'a Map, with keys of any kind',
      new Map<unknown, unknown>([
        [1, 'a'],
        ['b', new Map([[2n, null]])],
      ]),
    ],
    ['a Set', new Set([1, 'a', Number.NaN])],
    ['infinities and NaN', [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]],
    ['-0', [0, -0]],
    ['whole numbers of 64 bits', [2n ** 63n - 1n, -(2n ** 63n)]],
    ['the smallest and largest numbers', [Number.MIN_VALUE, Number.MAX_VALUE, 0.1, 2 ** 53 + 2]],
    [
      'objects that look like a form of its own',
      { $map: [[1, 2]], inner: { $number: 'NaN' }, deep: [{ $object: [] }] },
    ],
    ['texts with any character', ['', '\u0000', '\ud800', '"$map"']],
  ]
  it.each(values)('%s', (_, value) => {
    const back = fromJson(toJson(value))
    expect(back).toStrictEqual(value)
  })

  it('-0 is told apart from 0', () => {
    const [zero, negative] = fromJson(toJson([0, -0])) as number[]
    expect([Object.is(zero, 0), Object.is(negative, -0)]).toEqual([true, true])
  })

  it('is plain JSON where JSON has a form', () => {
    expect(toJson({ a: [1, 'b', null, true] })).toBe('{"a":[1,"b",null,true]}')
  })

  it('a key __proto__ stays a key', () => {
    const value = JSON.parse('{"__proto__": {"$number": "NaN"}}')
    expect(Object.keys(fromJson(toJson(value)) as object)).toEqual(['__proto__'])
  })
})
