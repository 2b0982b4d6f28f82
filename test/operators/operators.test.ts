import { setThreads } from 'espalier'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Axis } from '../../lib/axes/axes.js'
import { fixedAxis } from '../../lib/axes/axes.js'
import { OPERATORS } from '../../lib/operators/catalogue.js'
import type { Op } from '../../lib/operators/op.js'
import type { Operator, Relate } from '../../lib/operators/operator.js'
import { hold, type Verdict } from '../property/law.js'
import { ALIASES, CATALOGUE, NOT_RUN } from './catalogue/index.js'
import { networkOf } from './catalogue/network.js'
import type { Specimen } from './catalogue/specimen.js'

beforeAll(() => setThreads(1))

const names = [...OPERATORS]
  .flatMap(([name, { relate }]) => (relate ? [name] : []))
  .map((name) => name.replace('aten::', ''))
const plain = (key: string) => key.replace(/#.*/, '')
const specimens = [...CATALOGUE].filter(([key]) => names.includes(plain(key)))

/** What a specimen must come to, when its rule is right. */
async function failureOf(specimen: Specimen): Promise<string | undefined> {
  const verdict: Verdict = await hold(networkOf(specimen))
  if (verdict.outcome === 'wrong') return verdict.why
  const prunes = verdict.outcome === 'cut' && verdict.groups.some((members) => members.includes('a'))
  if (prunes === (specimen.frozen === true)) return prunes ? 'y can be pruned' : 'y can not be pruned'
  return undefined
}

describe('the operator table', () => {
  it('has a network here for each of its operators, or the reason why not', () => {
    const missing = names.filter((name) => !CATALOGUE.has(name) && !(name in NOT_RUN))
    expect(missing).toEqual([])
    expect([...CATALOGUE.keys()].filter((key) => !names.includes(plain(key)))).toEqual([])
  })

  it.each(Object.entries(ALIASES))('%s is the same as %s', (alias, name) => {
    expect(OPERATORS.get(`aten::${alias}`)?.relate).toBe(OPERATORS.get(`aten::${name}`)?.relate)
  })

  it.each(specimens)('%s: the law holds', async (_, specimen) => {
    expect(await failureOf(specimen)).toBeUndefined()
  })
})

/** The operator as a broken rule sees it. */
type Break = (op: Op) => Op

const pretend = (op: Op, changes: Partial<Record<keyof Op, unknown>>): Op =>
  Object.create(op, Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, { value }]))) as Op
const nothing = () => undefined

const BREAKS: Readonly<Record<string, Break>> = {
  'numbers its outputs backwards': (op) =>
    pretend(op, {
      output: (axes: readonly Axis[], zero: readonly boolean[], index = 0) =>
        op.output(
          axes.map((axis) => axis.slice().reverse()),
          zero,
          index,
        ),
    }),
  'ties nothing': (op) =>
    pretend(op, {
      equate: nothing,
      tensor: (name: string) => op.tensor(name),
      input: (name: string) => op.input(name),
    }),
  'fixes nothing': (op) => pretend(op, { fix: nothing, freeze: nothing, pinned: (size: number) => op.fresh(size, 0) }),
  'averages nothing': (op) => pretend(op, { average: () => true }),
  'loses its outputs': (op) => pretend(op, { output: nothing }),
  'calls everything zero': (op) =>
    pretend(op, {
      output: (axes: readonly Axis[], zero: readonly boolean[], index = 0) =>
        op.output(
          axes,
          zero.map(() => true),
          index,
        ),
    }),
  'gives its outputs to a barrier': (op) => pretend(op, { output: () => op.freeze('broken') }),
  'splits by the wrong factor': (op) =>
    pretend(op, {
      split: (axis: Axis, n: number, met: { outer: number; inner: number }) => {
        const { outer, inner } = op.split(axis, axis.length / n, met)
        return {
          outer: outer.length === axis.length / n ? outer : fixedAxis(axis.length / n),
          inner: inner.length === n ? inner : fixedAxis(n),
        }
      },
    }),
}

describe('a rule that is broken on purpose is noticed', () => {
  const table = OPERATORS as Map<string, Operator>
  let restore = nothing as () => void
  afterEach(() => restore())

  it.each(specimens.filter(([name]) => !(name in ALIASES)))('%s', async (name, specimen) => {
    const key = plain(name).includes('::') ? plain(name) : `aten::${plain(name)}`
    const known = table.get(key) as Operator
    const relate = known.relate as Relate
    restore = () => void table.set(key, known)
    const noticed: string[] = []
    for (const [kind, change] of Object.entries(BREAKS)) {
      table.set(key, { ...known, relate: (op) => relate(change(op)) })
      if ((await failureOf(specimen)) !== undefined) noticed.push(kind)
      if (noticed.length > 0) break
    }
    expect(noticed).not.toEqual([])
  })
})
