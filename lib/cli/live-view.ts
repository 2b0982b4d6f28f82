import { partingOf } from '../page/input.js'
import { TIME } from '../plan/budgets/target.js'
import { metricInFull, metricInWords } from '../report/metrics.js'
import { becomes, type Planned } from '../report/plan.js'
import type { RunEvent } from '../run/index.js'
import { clock } from './terminal/clock.js'
import type { Panel } from './terminal/screen.js'
import { barline, sparkline } from './terminal/spark.js'

export const PHASES = { sparse: 'regularized', finetune: 'fine-tuning' } as const

/** More losses than so many are thinned out: a line has no place for them. */
const MOST_LOSSES = 2048
const LABEL = 10

type Batch = Extract<RunEvent, { kind: 'batch' }>

/** A training as it goes on: where it is, and what became of it so far. */
export class LiveView {
  #batch: Batch | undefined
  /** Where the rate is counted from. */
  #first = { phase: '', iteration: 0, at: 0 }
  #plan: Planned | undefined
  #losses: number[] = []
  #accuracies: number[] = []
  #penalties: number[] = []
  #kept: number[] = []
  #chosen: number[] = []

  take(event: RunEvent): void {
    if (event.kind === 'batch') {
      // Each round begins anew, in the same phase where there is no other.
      const isNew = this.#first.phase !== event.phase || event.iteration <= (this.#batch?.iteration ?? 0)
      if (isNew) {
        this.#first = { phase: event.phase, iteration: event.iteration, at: performance.now() }
      }
      this.#batch = event
      this.#losses.push(event.loss)
      if (this.#losses.length > MOST_LOSSES) this.#losses = this.#losses.filter((_, k) => k % 2 === 1)
    } else if (event.kind === 'plan') {
      this.#plan = event.plan
    } else if (event.kind === 'epoch') {
      const { accuracy } = event.validation ?? {}
      if (accuracy !== undefined) this.#accuracies.push(accuracy)
    } else if (event.kind === 'regularizer') {
      this.#penalties.push(Math.max(...event.groups.map(({ reg }) => reg[4])))
      const parting = partingOf(event.groups)
      if (parting === undefined) return
      this.#kept.push(parting.kept)
      this.#chosen.push(parting.chosen)
    }
  }

  /** `regularized 12/32, step 183 of 512, loss 0.1234, 35 steps a second, 0:09 left`. */
  get text(): string {
    if (this.#batch === undefined) return ''
    const { phase, epoch, epochs, iteration, iterations, loss } = this.#batch
    const parts = [`${PHASES[phase]} ${epoch}/${epochs}`, `step ${iteration} of ${iterations}`]
    return [...parts, `loss ${metricInWords('loss', loss)}`, ...this.#pace(' steps a second')].join(', ')
  }

  /** The same as a bar, and the curves of the run. */
  readonly panel: Panel = (columns, { strong, soft, accent }) => {
    if (this.#batch === undefined) return []
    const { phase, epoch, epochs, iteration, iterations } = this.#batch
    const words = [`epoch ${epoch}/${epochs}`, ...this.#pace(' steps/s').reverse()].join('   ')
    const width = columns - PHASES[phase].length - words.length - 4
    const bar = width < 8 ? '' : `${accent(barline(iteration / iterations, width))}  `
    const curves = this.#curves(phase)
    const column = Math.max(...curves.map(({ shown }) => shown.length))
    const space = Math.max(0, Math.min(60, columns - LABEL - column - 2))
    const rows = curves.map(({ label, values, shown, scale }) => {
      const curve = space < 4 ? '' : `  ${accent(sparkline(values, space, scale))}`
      return `${soft(label.padEnd(LABEL))}${shown.padEnd(column)}${curve}`.trimEnd()
    })
    const { macs, latency } = this.#plan ?? {}
    const plan = [
      ...(macs === undefined ? [] : [`${soft('MACs'.padEnd(LABEL))}${becomes(macs)}`]),
      ...(latency === undefined ? [] : [`${soft('latency'.padEnd(LABEL))}${becomes(latency, TIME.show)} foretold`]),
    ]
    return ['', `${strong(PHASES[phase])}  ${bar}${words}`, ...rows, ...plan]
  }

  #curves(
    phase: Batch['phase'],
  ): { label: string; values: readonly number[]; shown: string; scale?: readonly number[] }[] {
    const last = (values: readonly number[]) => values.at(-1) ?? 0
    const short = (values: readonly number[]) => `${Number(last(values).toPrecision(3))}`
    // Both on one scale, to see them part.
    const [kept, chosen] = [this.#kept, this.#chosen].map((values) => values.map(Math.log)) as [number[], number[]]
    const scale = [...kept, ...chosen]
    const measured = [
      { label: 'loss', values: this.#losses, shown: metricInWords('loss', last(this.#losses)) },
      { label: 'accuracy', values: this.#accuracies, shown: metricInFull('accuracy', last(this.#accuracies)) },
    ]
    // After the cut there is nothing left that could give way.
    const parting = [
      { label: 'penalty', values: this.#penalties, shown: `${short(this.#penalties)} at most` },
      { label: 'stay', values: kept, shown: `size ${short(this.#kept)}`, scale },
      { label: 'go', values: chosen, shown: `size ${short(this.#chosen)}`, scale },
    ]
    return [...measured, ...(phase === 'sparse' ? parting : [])].filter(({ values }) => values.length > 0)
  }

  #pace(unit: string): string[] {
    const { iteration = 0, iterations = 0 } = this.#batch ?? {}
    const rate = (iteration - this.#first.iteration) / ((performance.now() - this.#first.at) / 1000)
    if (!(rate > 0) || !Number.isFinite(rate)) return []
    return [`${rate.toPrecision(3)}${unit}`, `${clock((iterations - iteration) / rate)} left`]
  }
}
