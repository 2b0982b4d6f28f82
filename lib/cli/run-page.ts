import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { writeFileAtomic } from '../base/files.js'
import type { Config } from '../config/option.js'
import { networkOf } from '../draw/network/data.js'
import type { Analysis } from '../groups/index.js'
import type { PageInput, PageRecord } from '../page/input.js'
import { pageOf } from '../page/page.js'
import { reasonInWords } from '../report/index.js'
import type { RunEvent, SparsifyResult } from '../run/index.js'
import { lineOf } from '../run/jsonl.js'
import { torchVersion } from '../torch/settings.js'
import { VERSION } from './version.js'

/** Events after which the page is written anew. */
const SHOWN: ReadonlySet<RunEvent['kind']> = new Set(['epoch', 'evaluation', 'plan', 'settings'])

/** The page of a run, which is written again and again while it goes on. */
export class RunPage {
  readonly path: string
  readonly #start = performance.now()
  readonly #records: PageRecord[] = []
  readonly #known: Pick<PageInput, 'title' | 'files' | 'inputs' | 'config' | 'versions'>
  #frozen: PageInput['frozen']
  /** Writes come one after the other; one that is due while another is on its way is left out. */
  #writing: Promise<void> = Promise.resolve()
  #busy = false
  /** What an earlier run left at this path stays until this one trains: it may be refused before. */
  #mayReplace: boolean

  constructor(path: string, { model, small, config }: { model: string; small: string; config: Config }) {
    this.path = path
    this.#mayReplace = !existsSync(path)
    const inputs = (config.inputs as readonly unknown[] | undefined)?.filter((each) => typeof each === 'string')
    const versions = { Espalier: VERSION, LibTorch: torchVersion(), Node: process.version }
    this.#known = { title: `${basename(model)}, made smaller`, files: { model, small }, inputs, config, versions }
  }

  tell(event: RunEvent): void {
    if (event.kind === 'batch') return
    this.#records.push(lineOf(event, this.#start))
    if (event.kind === 'analysis') this.#frozen = frozenOf(event.analysis)
    this.#mayReplace ||= event.kind === 'epoch'
    if (!SHOWN.has(event.kind) || this.#busy || !this.#mayReplace) return
    this.#busy = true
    this.#writing = this.#write({ running: true }).finally(() => {
      this.#busy = false
    })
    // Told at the end.
    this.#writing.catch(() => {})
  }

  /** @throws ERR_WRITE */
  async end(result: SparsifyResult, bytes: readonly [number, number], ms: readonly [number, number]): Promise<void> {
    await this.#writing
    this.#records.unshift(...this.#earlier(result))
    this.#frozen = frozenOf(result.analysis)
    const network = networkOf(result.analysis, result.plan)
    await this.#write({ files: { model: '', small: '', ...this.#known.files, bytes }, ms, network })
  }

  /** What was so far is shown, and that there is no more. @throws ERR_WRITE */
  async stop(why: string): Promise<void> {
    await this.#writing
    if (this.#records.length > 0 && this.#mayReplace) await this.#write({ stopped: why, files: undefined })
  }

  /** What was before the run went on from its checkpoint. */
  #earlier({ analysis, plan, history, evaluations, withheld }: SparsifyResult): PageRecord[] {
    const of = (kind: string) => this.#records.filter((record) => record.kind === kind)
    const stages = new Set(of('evaluation').map(({ stage }) => stage))
    const measured = Object.entries(evaluations).filter(([stage]) => !stages.has(stage))
    const events: RunEvent[] = [
      ...(of('analysis').length > 0 ? [] : [{ kind: 'analysis', analysis } as const]),
      ...(of('plan').length > 0 || withheld ? [] : [{ kind: 'plan', plan } as const]),
      ...history.slice(0, history.length - of('epoch').length),
    ]
    return [
      ...measured.map(([stage, evaluation]) => ({ kind: 'evaluation', stage, evaluation })),
      ...events.map((event) => lineOf(event, this.#start)),
    ]
  }

  async #write(more: Partial<PageInput>): Promise<void> {
    const page = pageOf({ ...this.#known, records: this.#records, frozen: this.#frozen, ...more })
    await writeFileAtomic(this.path, page)
  }
}

const frozenOf = ({ frozen }: Analysis): PageInput['frozen'] =>
  frozen.map(({ name, dim, size, reasons }) => ({ name, dim, size, why: reasons.map(reasonInWords).join(', ') }))
