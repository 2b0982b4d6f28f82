import type { Network } from '../draw/network/data.js'
import type { Evaluation } from '../train/index.js'

/** A line of a run's trajectory, as `jsonLines` writes it: what the page reads of it. */
export interface PageRecord {
  kind: string
  seconds?: number
  [key: string]: unknown
}

/** What a page shows. All but the records may be missing: what is not known is left out. */
export interface PageInput {
  title: string
  /** In their order. */
  records: readonly PageRecord[]
  /** What is drawn of the network. */
  network?: Network | undefined
  /** Names of files, and bytes before and after. */
  files?: { model: string; small: string; bytes?: readonly [number, number] | undefined } | undefined
  /** One forward pass in milliseconds, before and after. */
  ms?: readonly [number, number] | undefined
  /** What stays as it is, and why. */
  frozen?: readonly { name: string; dim: number; size: number; why: string }[] | undefined
  /** Shapes of the example inputs, as the command line has them. */
  inputs?: readonly string[] | undefined
  versions?: Readonly<Record<string, string>> | undefined
  config?: unknown
  /** The page reloads itself while the run goes on. */
  running?: boolean | undefined
  /** Why the run ended before it was done. */
  stopped?: string | undefined
}

/** What the records of a run come to. */
export interface Told {
  evaluations: Readonly<Record<string, Evaluation>>
  /** What is cut, or will be; undefined where the cut was withheld. */
  plan:
    | {
        removed: readonly { group: number; units: readonly number[] }[]
        params: Pair
        macs: Pair
        latency?: Pair | undefined
      }
    | undefined
  /** By group: how many times as large the units that stay are as those that go, when it was measured last. */
  apart: ReadonlyMap<number, number>
  groups: readonly { id: number; kind: string; size: number; scopes: readonly string[] }[]
  coverage: number | undefined
  settings: unknown
  epochs: readonly Epoch[]
  /** Mean sizes of the units that stay and that go, after each epoch of the regularized phase. */
  sizes: readonly { epoch: number; kept: number; chosen: number }[]
  seconds: number | undefined
  /** Whether the plan was carried out, and the cut not withheld. */
  isCut: boolean
  /** What the cut would have lost, where it was withheld. */
  withheld: number | undefined
}

export type Pair = readonly [number, number]

export interface Epoch {
  phase: 'sparse' | 'finetune'
  loss: number | undefined
  lr: number
  accuracy?: number | undefined
}

type Kinds = Readonly<Record<string, (record: PageRecord, told: Telling) => void>>

/** What is told so far. */
type Telling = { -readonly [K in Exclude<keyof Told, 'epochs' | 'sizes'>]: Told[K] } & {
  epochs: Epoch[]
  sizes: { epoch: number; kept: number; chosen: number }[]
  /** Of each epoch, at its end. */
  iterations: number[]
  /** How often the run began, or went on; and what it was at the last epoch. */
  begun: number
  seen: number
}

/** A run that goes on makes the epochs after its last checkpoint again. */
function forgetFrom({ epochs, iterations, sizes }: Telling, phase: Epoch['phase'], iteration: number): void {
  let before = Number.POSITIVE_INFINITY
  for (;;) {
    const last = iterations.at(-1) ?? -1
    // What is larger than what came after it is of an earlier round.
    if (epochs.at(-1)?.phase !== phase || last < iteration || last >= before) break
    before = last
    epochs.pop()
    iterations.pop()
  }
  while ((sizes.at(-1)?.epoch ?? 0) > epochs.length) sizes.pop()
}

/** What is no number in a file, as NaN written by others is null, counts as not known. */
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

const measuredOf = (evaluation: unknown): Evaluation =>
  Object.fromEntries(
    Object.entries(evaluation ?? {}).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value]] : [])),
  ) as unknown as Evaluation

const KINDS: Kinds = {
  analysis: ({ groups, coverage }, told) => {
    told.groups = groups as Told['groups']
    told.coverage = numberOf(coverage)
  },
  plan: ({ removed, params, macs, latency }, told) => {
    told.plan = { removed, params, macs, latency } as NonNullable<Told['plan']>
  },
  settings: ({ settings }, told) => {
    told.begun++
    told.settings = settings
  },
  evaluation: ({ stage, evaluation }, told) => {
    if (stage === 'cut' || stage === 'finetuned') told.isCut = true
    told.evaluations = { ...told.evaluations, [stage as string]: measuredOf(evaluation) }
  },
  epoch: ({ phase, loss, lr, iteration, validation }, told) => {
    const { accuracy } = measuredOf(validation)
    if (told.begun > told.seen) forgetFrom(told, phase as Epoch['phase'], iteration as number)
    told.seen = told.begun
    told.epochs.push({ phase, loss: numberOf(loss), lr, accuracy } as Epoch)
    told.iterations.push(iteration as number)
    if (phase === 'finetune') told.isCut = true
  },
  regularizer: ({ groups }, told) => {
    const all = groups as { group: number; ratio?: number; kept?: number; chosen?: number }[]
    told.apart = new Map(all.flatMap(({ group, ratio }) => (typeof ratio === 'number' ? [[group, ratio]] : [])))
    const parting = partingOf(all)
    if (parting !== undefined) told.sizes.push({ epoch: told.epochs.length, ...parting })
  },
  cut: (_, told) => {
    told.isCut = true
  },
  withheld: ({ withheld }, told) => {
    told.withheld = numberOf((withheld as { drop: number }).drop) ?? Number.NaN
    told.plan = undefined
    told.isCut = false
  },
}

/** Sizes of the units that stay and of those that go: geometric means over the groups. */
export function partingOf(
  groups: readonly { kept?: number; chosen?: number }[],
): { kept: number; chosen: number } | undefined {
  const known = groups.filter(({ kept, chosen }) => kept && chosen)
  if (known.length === 0) return undefined
  const mean = (values: readonly number[]) =>
    Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
  return { kept: mean(known.map(({ kept = 0 }) => kept)), chosen: mean(known.map(({ chosen = 0 }) => chosen)) }
}

/** Reads the records one after the other. */
export function toldBy(records: readonly PageRecord[]): Told {
  const told: Telling = {
    ...{ iterations: [], begun: 0, seen: 0, isCut: false },
    ...{ evaluations: {}, plan: undefined, groups: [], coverage: undefined, settings: undefined },
    ...{ epochs: [], sizes: [], seconds: undefined, withheld: undefined, apart: new Map<number, number>() },
  }
  for (const record of records) {
    if (Object.hasOwn(KINDS, record.kind)) KINDS[record.kind]?.(record, told)
    if (typeof record.seconds === 'number') told.seconds = record.seconds
  }
  return told
}
