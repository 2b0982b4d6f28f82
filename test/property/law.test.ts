import { setThreads } from 'espalier'
import { beforeAll, expect, test } from 'vitest'
import { judge, type Verdict } from './law.js'
import { drawProgram, emit, isHostile, type Program, shrink } from './program.js'

/** ESPALIER_PROPERTY=2000 runs more; ESPALIER_PROPERTY_SEED=17 starts elsewhere. */
const COUNT = Number(process.env.ESPALIER_PROPERTY ?? 240)
const FIRST = Number(process.env.ESPALIER_PROPERTY_SEED ?? 0)

const programs = Array.from({ length: COUNT }, (_, k) => drawProgram(FIRST + k, 4 + ((FIRST + k) % 9)))
const verdicts: { program: Program; verdict: Verdict }[] = []

/** Half of them leave groups alone whose cut would only be approximate, so that the source itself is the reference. */
const isExact = (program: Program) => program.seed % 2 === 0

beforeAll(async () => {
  setThreads(1)
  for (const program of programs) verdicts.push({ program, verdict: await judge(program, isExact(program)) })
}, 900_000)

test(`no cut of ${COUNT} random networks is wrong`, { timeout: 300_000 }, async () => {
  const reports: string[] = []
  for (const { program, verdict } of verdicts) {
    if (verdict.outcome !== 'wrong') continue
    const wrong = async (p: Program) => (await judge(p, isExact(p))).outcome === 'wrong'
    const smallest = reports.length < 3 ? await shrink(program, wrong) : program
    const why = await judge(smallest, isExact(smallest))
    reports.push(`seed ${program.seed}: ${verdict.why}\n${JSON.stringify(why)}\n${emit(smallest).text}`)
  }
  expect(reports.join('\n')).toBe('')
})

test('a cut is hardly ever inconclusive', () => {
  const unsure = verdicts.filter(({ verdict }) => verdict.outcome === 'refused' && verdict.code === 'ERR_VERIFICATION')
  expect(unsure.length / COUNT).toBeLessThan(0.01)
})

test('nearly every one of them becomes smaller', () => {
  const refused = verdicts.filter(({ verdict }) => verdict.outcome === 'refused')
  const smaller = verdicts.filter(({ verdict }) => verdict.outcome === 'cut' && verdict.removed > 0)
  const told = refused.map(({ program, verdict }) => `seed ${program.seed} ${JSON.stringify(verdict)}`).join('\n')
  expect(smaller.length / COUNT, told).toBeGreaterThan(0.9)
})

test('at least a fifth of them is hostile', () => {
  expect(programs.filter(isHostile).length / COUNT).toBeGreaterThan(0.2)
})
