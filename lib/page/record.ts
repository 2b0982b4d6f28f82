import { fromJson } from '../base/json.js'
import { faultOf, like, list, number, oneOf, pair, type Schema, text } from '../base/schema/index.js'
import type { PageRecord } from './input.js'

/** What a page can't do without in a record, by its kind; whatever else is missing is left out of it. */
const NEEDED: Readonly<Record<string, Readonly<Record<string, Schema<never>>>>> = {
  analysis: {
    groups: list(
      like('a group with its id, kind, size and scopes', {
        ...{ id: number(), kind: text(), size: number({ min: 0 }), scopes: list(text(), 'a list of names') },
      }),
      'a list of groups',
    ),
  },
  plan: {
    removed: list(
      like('the units of a group', { group: number(), units: list(number(), 'a list of units') }),
      'a list of units by group',
    ),
    ...{ params: pair(number(), 'two numbers'), macs: pair(number(), 'two numbers') },
  },
  evaluation: { stage: text(), evaluation: like('an evaluation', {}) },
  epoch: { phase: oneOf('sparse', 'finetune'), iteration: number() },
  regularizer: { groups: list(like('a group', { group: number() }), 'a list of groups') },
  withheld: { withheld: like('an object with what would be lost', {}) },
} as never

/** What is wrong with a record, in words; undefined where a page can be made of it. */
function faultIn(record: unknown): string | undefined {
  if (typeof record !== 'object' || record === null) return 'no record of a run: it is no object'
  const { kind } = record as Partial<PageRecord>
  if (typeof kind !== 'string') return 'no record of a run: it has no kind'
  if (!Object.hasOwn(NEEDED, kind)) return undefined
  for (const [key, schema] of Object.entries(NEEDED[kind] ?? {})) {
    const fault = faultOf(schema, (record as PageRecord)[key], key, key)
    if (fault !== undefined) return `of kind '${kind}': ${fault.words}`
  }
  return undefined
}

/** The record of a line, or what is wrong with it. */
export function recordOf(line: string): { record: PageRecord } | { fault: string } {
  let record: unknown
  try {
    record = fromJson(line)
  } catch (error) {
    return { fault: `no JSON: ${(error as Error).message}` }
  }
  const fault = faultIn(record)
  return fault === undefined ? { record: record as PageRecord } : { fault }
}
