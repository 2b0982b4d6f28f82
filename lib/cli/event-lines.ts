import { STAGES } from '../page/stages.js'
import { evaluationInWords, metricsInWords } from '../report/metrics.js'
import type { RunEvent } from '../run/index.js'
import type { Work } from './command.js'
import { latencyInWords } from './files.js'
import { LiveView, PHASES } from './live-view.js'

type Lines = { readonly [K in RunEvent['kind']]?: (event: Extract<RunEvent, { kind: K }>) => string | undefined }

/** What each event is told as, for people. */
const LINES: Lines = {
  analysis: ({ analysis }) => `${analysis.groups.length} groups of channels`,
  plan: ({ plan }) => `the plan removes ${plan.removed.reduce((sum, { units }) => sum + units.length, 0)} units`,
  trial: ({ lr, loss, network }) => `a learning rate of ${lr} on the ${network} network: loss ${loss.toPrecision(4)}`,
  settings: ({ settings }) => `settled: ${JSON.stringify(settings)}`,
  evaluation: ({ stage, evaluation }) => `${STAGES[stage]}: ${evaluationInWords(evaluation)}`,
  epoch: ({ phase, epoch, epochs, loss, validation, seconds }) =>
    `${PHASES[phase]} ${epoch}/${epochs}: ${metricsInWords({ loss, accuracy: validation?.accuracy })} (${seconds.toFixed(1)} s)`,
  early: ({ saved }) => `the schedule ends ${saved} steps early`,
  round: ({ round, rounds, plan }) => `round ${round} of ${rounds} is cut: ${plan.macs.join(' -> ')} MACs`,
  cutting: () => 'cutting and verifying …',
  cut: () => 'cut, and verified',
  compensated: ({ compensations }) => `${compensations.length} consumers were compensated`,
  latency: ({ latency }) => latencyInWords(latency),
  withheld: ({ withheld }) => `the cut would lose ${withheld.drop.toPrecision(3)}: it is withheld`,
}

/** What a view shows better than lines, where there is one. */
const SEEN: { readonly [K in RunEvent['kind']]?: (event: Extract<RunEvent, { kind: K }>) => boolean } = {
  settings: () => true,
  trial: () => true,
  // The last one of a phase is what stays of it.
  epoch: ({ epoch, epochs }) => epoch < epochs,
}

/** Tells the events of a run as they come: a line for each; between them where it is, on a terminal as a view of the training. */
export class EventLines {
  readonly #work: Work
  readonly #view = new LiveView()

  constructor(work: Work) {
    this.#work = work
  }

  tell(event: RunEvent): void {
    const view = this.#view
    view.take(event)
    const isSeen = this.#work.isLive && (SEEN[event.kind] as ((event: RunEvent) => boolean) | undefined)?.(event)
    const line = (LINES[event.kind] as ((event: RunEvent) => string | undefined) | undefined)?.(event)
    if (line !== undefined && !isSeen) this.#work.say(line)
    if (line !== undefined && event.kind === 'trial' && isSeen) this.#work.status(line)
    if (event.kind === 'batch') this.#work.show(view.panel, () => view.text)
  }
}
