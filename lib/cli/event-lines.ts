import { STAGES } from '../page/stages.js'
import { metricsInWords } from '../report/metrics.js'
import type { RunEvent } from '../run/index.js'
import type { Work } from './command.js'

const PHASES = { sparse: 'regularized', finetune: 'fine-tuning' } as const

type Lines = { readonly [K in RunEvent['kind']]?: (event: Extract<RunEvent, { kind: K }>) => string | undefined }

/** What each event is told as, for people. */
const LINES: Lines = {
  analysis: ({ analysis }) => `${analysis.groups.length} groups of channels`,
  plan: ({ plan }) => `the plan removes ${plan.removed.reduce((sum, { units }) => sum + units.length, 0)} units`,
  trial: ({ lr, loss, network }) => `a learning rate of ${lr} on the ${network} network: loss ${loss.toPrecision(4)}`,
  settings: ({ settings }) => `settled: ${JSON.stringify(settings)}`,
  evaluation: ({ stage, evaluation }) => `${STAGES[stage]}: ${metricsInWords(evaluation)}`,
  epoch: ({ phase, epoch, epochs, loss, validation, seconds }) =>
    `${PHASES[phase]} ${epoch}/${epochs}: ${metricsInWords({ accuracy: validation?.accuracy, loss })} (${seconds.toFixed(1)} s)`,
  early: ({ saved }) => `the schedule ends ${saved} steps early`,
  round: ({ round, rounds, plan }) => `round ${round} of ${rounds} is cut: ${plan.macs.join(' -> ')} MACs`,
  cutting: () => 'cutting and verifying …',
  cut: () => 'cut, and verified',
  compensated: ({ compensations }) => `${compensations.length} consumers were compensated`,
  withheld: ({ withheld }) => `the cut would lose ${withheld.drop.toPrecision(3)}: it is withheld`,
}

/** Tells the events of a run as they come: a line for each, and where it is between them. */
export class EventLines {
  readonly #work: Work
  #since = performance.now()
  #first: { phase: string; iteration: number } | undefined

  constructor(work: Work) {
    this.#work = work
  }

  tell(event: RunEvent): void {
    if (event.kind === 'batch') {
      this.#work.status(this.#whereItIs(event))
      return
    }
    const line = (LINES[event.kind] as ((event: RunEvent) => string | undefined) | undefined)?.(event)
    if (line !== undefined) this.#work.say(line)
  }

  /** `regularized 12/32, step 183 of 512, loss 0.1234, 35 steps a second, 0:09 left`. */
  #whereItIs(event: Extract<RunEvent, { kind: 'batch' }>): string {
    const { phase, epoch, epochs, iteration, iterations, loss } = event
    if (this.#first?.phase !== phase) {
      this.#first = { phase, iteration }
      this.#since = performance.now()
    }
    const rate = (iteration - this.#first.iteration) / ((performance.now() - this.#since) / 1000)
    const parts = [
      `${PHASES[phase]} ${epoch}/${epochs}`,
      `step ${iteration} of ${iterations}`,
      `loss ${loss.toPrecision(4)}`,
    ]
    if (rate > 0 && Number.isFinite(rate)) {
      parts.push(`${rate.toPrecision(3)} steps a second`, `${clock((iterations - iteration) / rate)} left`)
    }
    return parts.join(', ')
  }
}

/** `1:02:03`, `0:09`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const padded = String(s).padStart(2, '0')
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${padded}` : `${m}:${padded}`
}
