import { setThreads } from 'espalier'
import { beforeAll, describe, expect, test } from 'vitest'
import { drawOf, FAMILIES, type Family } from './families.js'
import { judgeOf, type Verdict } from './law.js'
import { emit, type Program, shrink } from './program.js'

/** ESPALIER_PROPERTY_FAMILIES=2000 runs more of each; ESPALIER_PROPERTY_SEED=17 starts elsewhere. */
const COUNT = Number(process.env.ESPALIER_PROPERTY_FAMILIES ?? 40)
const FIRST = Number(process.env.ESPALIER_PROPERTY_SEED ?? 0)

beforeAll(() => setThreads(1))

/** A quarter may be cut approximately; of the others the source itself is the reference. */
const isExact = ({ seed }: Program) => seed % 4 !== 3

describe.each(FAMILIES)('networks of %s', (family: Family) => {
  const verdicts: { program: Program; verdict: Verdict }[] = []

  beforeAll(async () => {
    for (let k = 0; k < COUNT; k++) {
      const program = drawOf(family, FIRST + k)
      verdicts.push({ program, verdict: await judgeOf(program, isExact(program)) })
    }
  }, 3_600_000)

  test('no cut is wrong', { timeout: 900_000 }, async () => {
    const reports: string[] = []
    for (const { program, verdict } of verdicts) {
      if (verdict.outcome !== 'wrong') continue
      const wrong = async (p: Program) => (await judgeOf(p, isExact(p))).outcome === 'wrong'
      const smallest = reports.length < 8 ? await shrink(program, wrong) : program
      const why = await judgeOf(smallest, isExact(smallest))
      reports.push(
        `seed ${program.seed} ${program.dtype} ${smallest.steps.map(({ kind }) => kind)}\n${JSON.stringify(why)}\n${emit(smallest).text}`,
      )
    }
    expect(reports.join('\n')).toBe('')
  })

  test('more than three quarters of them become smaller, and are compared at other sizes', () => {
    const smaller = verdicts.filter(({ verdict }) => verdict.outcome === 'cut' && verdict.removed > 0)
    const compared = verdicts.filter(({ verdict }) => verdict.outcome === 'cut' && verdict.sizes > 0)
    console.info(`${family}: ${COUNT - smaller.length} of ${COUNT} networks had nothing that could be cut`)
    expect(smaller.length / COUNT).toBeGreaterThan(0.75)
    expect(compared.length / COUNT).toBeGreaterThan(0.75)
  })
})
