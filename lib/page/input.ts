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
  /** The network as an SVG. */
  drawing?: string | undefined
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
}

/** What the records of a run come to. */
export interface Told {
  evaluations: Readonly<Record<string, Evaluation>>
  plan: { removed: readonly { group: number; units: readonly number[] }[]; params: Pair; macs: Pair } | undefined
  groups: readonly { id: number; kind: string; size: number; scopes: readonly string[] }[]
  coverage: number | undefined
  settings: unknown
  epochs: readonly Epoch[]
  /** Mean sizes of the units that stay and that go, after each epoch of the regularized phase. */
  sizes: readonly { epoch: number; kept: number; chosen: number }[]
  seconds: number | undefined
  withheld: boolean
}

export type Pair = readonly [number, number]

export interface Epoch {
  phase: 'sparse' | 'finetune'
  loss: number
  lr: number
  accuracy?: number | undefined
}

type Kinds = Readonly<Record<string, (record: PageRecord, told: Writable<Told>) => void>>
type Writable<T> = { -readonly [K in keyof T]: T[K] }

const KINDS: Kinds = {
  analysis: ({ groups, coverage }, told) => {
    told.groups = groups as Told['groups']
    told.coverage = coverage as number
  },
  plan: ({ removed, params, macs }, told) => {
    told.plan = { removed, params, macs } as NonNullable<Told['plan']>
  },
  settings: ({ settings }, told) => {
    told.settings = settings
  },
  evaluation: ({ stage, evaluation }, told) => {
    told.evaluations = { ...told.evaluations, [stage as string]: evaluation as Evaluation }
  },
  epoch: ({ phase, loss, lr, validation }, told) => {
    const { accuracy } = (validation ?? {}) as Evaluation
    told.epochs = [...told.epochs, { phase, loss, lr, accuracy } as Epoch]
  },
  regularizer: ({ groups }, told) => {
    const known = (groups as { kept?: number; chosen?: number }[]).filter(({ kept, chosen }) => kept && chosen)
    if (known.length === 0) return
    const mean = (values: number[]) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
    const [kept, chosen] = [mean(known.map(({ kept = 0 }) => kept)), mean(known.map(({ chosen = 0 }) => chosen))]
    told.sizes = [...told.sizes, { epoch: told.epochs.length, kept, chosen }]
  },
  withheld: (_, told) => {
    told.withheld = true
  },
}

/** Reads the records one after the other. */
export function toldBy(records: readonly PageRecord[]): Told {
  const told: Writable<Told> = {
    ...{ evaluations: {}, plan: undefined, groups: [], coverage: undefined, settings: undefined },
    ...{ epochs: [], sizes: [], seconds: undefined, withheld: false },
  }
  for (const record of records) {
    KINDS[record.kind]?.(record, told)
    if (typeof record.seconds === 'number') told.seconds = record.seconds
  }
  return told
}
