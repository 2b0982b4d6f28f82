import { EspalierError } from 'espalier'
import { beforeAll, describe, expect, it } from 'vitest'
import { espalier } from '../support/public.js'
import { type Case, cases, WITHOUT_PARAMETERS, WITHOUT_SCHEMA } from './calls.js'
import { replaced, wrongFor } from './wrong.js'

const isClass = (value: unknown): boolean => typeof value === 'function' && String(value).startsWith('class')
const functions = Object.entries(espalier).flatMap(([name, value]) =>
  typeof value === 'function' && !isClass(value) ? [name] : [],
)

/** What a call throws or rejects with, also at its first step. */
async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    const result = await call()
    if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result) {
      await (result as AsyncIterable<unknown>)[Symbol.asyncIterator]().next()
    }
    return undefined
  } catch (error) {
    return error
  }
}

describe('every public call', () => {
  let all: Readonly<Record<string, Case>>
  beforeAll(async () => {
    all = await cases()
  })

  it('is in the list', () => {
    const listed = [...Object.keys(all).filter((name) => !/[ .]/.test(name)), ...Object.keys(WITHOUT_SCHEMA)]
    expect([...listed, ...WITHOUT_PARAMETERS].sort()).toEqual(functions.sort())
  })

  it('takes what the list says is right', () => {
    const faults = Object.entries(all).flatMap(([name, { parameters, args }]) =>
      parameters.flatMap(([parameter, schema], k) => {
        const issues = schema['~run']({ value: args[k] }, {}).issues ?? []
        return issues.map(({ message }) => `${name} ${parameter}: ${message}`)
      }),
    )
    expect(faults).toEqual([])
  })

  it('refuses each kind of wrong value for each argument and each option, and names it', async () => {
    const faults: string[] = []
    let tried = 0
    for (const [name, { parameters, args, call }] of Object.entries(all)) {
      for (const [k, [parameter, schema]] of parameters.entries()) {
        for (const { path, value } of wrongFor(schema, [k])) {
          // What is left out may have a default.
          if (value === undefined && path.length === 1) continue
          const given = replaced(args, path, value) as never[]
          const error = await thrownBy(() => call(...given))
          tried++
          const place =
            path.length === 1 ? new RegExp(`'${parameter}|is missing`) : new RegExp(`\\b${path.at(-1)}['.[]`)
          const isRight =
            error instanceof EspalierError && error.code === 'ERR_INVALID_ARGUMENT' && place.test(error.message)
          if (!isRight) faults.push(`${name} ${path.join('.')} = ${describeValue(value)}: ${String(error)}`)
        }
      }
    }
    expect(faults).toEqual([])
    expect(tried).toBeGreaterThan(3000)
  })

  it.each(Object.entries(WITHOUT_SCHEMA))('%s has no schema, but refuses what is wrong', async (name, wrong) => {
    const call = (espalier as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!
    for (const args of wrong) expect(await thrownBy(() => call(...args))).toBeInstanceOf(EspalierError)
  })
})

describe('a method or accessor of a public class', () => {
  const classes = Object.entries(espalier).filter(([name, value]) => isClass(value) && name !== 'EspalierError')
  const members = classes.flatMap(([name, value]) => {
    const { prototype } = value as { prototype: object }
    return Reflect.ownKeys(prototype).flatMap((key): [string, (...args: unknown[]) => unknown][] => {
      const { value, get, set } = Object.getOwnPropertyDescriptor(prototype, key)!
      if (key === 'constructor') return []
      return [value, get, set].filter(Boolean).map((member) => [`${name}.${String(key)}`, member])
    })
  })

  it.each(members)('%s refuses to work on anything else', async (_, member) => {
    for (const own of [undefined, {}, Object.create(Object.getPrototypeOf({}))]) {
      const error = await thrownBy(() => Reflect.apply(member, own, []))
      expect(error).toBeInstanceOf(EspalierError)
    }
  })
})

function describeValue(value: unknown): string {
  return typeof value === 'symbol' || typeof value === 'function'
    ? typeof value
    : (JSON.stringify(value, bigints) ?? '')
}
const bigints = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)
