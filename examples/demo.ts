/**
 * The main job on real data: a trained ResNet-8 is cut to half of its MACs while it is trained on handwritten digits.
 *
 *     npm run demo -- [--seed 1] [--sparse-epochs 30] [--finetune-epochs 20] [--out out]
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import {
  coverageLines,
  frozenTable,
  groupsTable,
  type Latency,
  load,
  measureLatency,
  type RunEvent,
  randomShift,
  type ScriptModule,
  type SparsifyResult,
  saveManifest,
  sparsify,
  Tensor,
} from 'espalier'
import { formatTable, integer, percent, type Stage } from 'espalier/analysis'
import { accuracyCurve } from './curve.js'
import { dataFile, digits } from './digits.js'

export interface DemoOptions {
  seed: number
  /** As `sparsify` has it by default. */
  sparseEpochs?: number | undefined
  finetuneEpochs?: number | undefined
  /** Folder for the small model and its manifest. */
  out: string
}

const BATCHES = [1, 64] as const

/** Runs the demo and says what it does, line by line. */
export async function demo(options: DemoOptions, print: (text: string) => void): Promise<SparsifyResult> {
  const start = performance.now()
  const source = dataFile('resnet8.script.pt')
  const model = await load(source)
  const data = digits()
  print(
    `Loaded ${relative('.', source)} and ${data.train.size} + ${data.validation.size} digits to train and to validate.`,
  )

  const x = Tensor.from((await data.validation.batch(Int32Array.of(0))).inputs[0]!.data, [1, 1, 8, 8])
  const result = await sparsify(model, {
    inputs: [x],
    data,
    budget: { macs: 0.5 },
    sparse: { epochs: options.sparseEpochs },
    finetune: { epochs: options.finetuneEpochs },
    augment: randomShift({ pixels: 1, fill: -1 }),
    seed: options.seed,
    onEvent: (record) => {
      const text = inWords(record)
      if (text !== undefined) print(text)
    },
  })

  mkdirSync(options.out, { recursive: true })
  const files = { model: join(options.out, 'resnet8-small.pt'), manifest: join(options.out, 'resnet8-small.json') }
  const picture = join(options.out, 'resnet8-small.svg')
  writeFileSync(picture, accuracyCurve(result))
  await result.small.save(files.model)
  await saveManifest(files.manifest, result)
  const latencies: Latency[][] = []
  for (const batch of BATCHES) {
    print(`Measuring the latency of ${batch} ${batch === 1 ? 'image' : 'images'} ...`)
    latencies.push(await latency([model.eval(), result.small], batch))
  }
  print(`\n${summary(result, latencies, [source, files.model])}\n`)
  print(
    `Wrote ${files.model}, ${files.manifest} and ${picture} in ${((performance.now() - start) / 1000).toFixed(1)} s.`,
  )
  for (const garbage of [x, model]) garbage.dispose()
  return result
}

function inWords(record: RunEvent): string | undefined {
  switch (record.kind) {
    case 'analysis':
      return [
        '',
        groupsTable(record.analysis),
        '',
        frozenTable(record.analysis),
        '',
        coverageLines(record.analysis),
        '',
      ].join('\n')
    case 'plan':
      return `The plan removes ${record.plan.removed.reduce((sum, { units }) => sum + units.length, 0)} units.\n`
    case 'evaluation':
      return `${STAGES[record.stage]}: accuracy ${percent(record.evaluation.accuracy!)}, loss ${record.evaluation.loss.toFixed(4)}`
    case 'epoch':
      return (
        `  ${PHASES[record.phase]} ${String(record.epoch).padStart(2)}/${record.epochs}  loss ${record.loss.toFixed(4)}  ` +
        `accuracy ${percent(record.validation!.accuracy!)}  ${record.seconds.toFixed(1)} s`
      )
    case 'cutting':
      return 'Cutting and verifying ...'
    case 'cut':
      return `Cut and verified: the small model equals the masked one.`
    case 'compensated':
      return `${record.compensations.length} consumers were compensated for the channels that are gone.`
    case 'early':
      return `The schedule ends ${record.saved} iterations early.`
    case 'trial':
      return `  a learning rate of ${record.lr} on the ${record.network} network: loss ${record.loss.toFixed(4)}`
    case 'settings':
      return `With ${JSON.stringify(record.settings, null, 1)}`
    case 'round':
      return `Round ${record.round} of ${record.rounds} is cut: ${record.plan.macs.join(' -> ')} MACs.`
    case 'latency':
      return `A forward pass: ${record.latency.real.map((ms) => ms.toFixed(2)).join(' -> ')} ms.`
    case 'withheld':
      return `The cut would lose ${percent(record.withheld.drop)}: it is withheld.`
    case 'regularizer':
    case 'batch':
      return undefined
  }
}

const PHASES = { sparse: 'regularized phase', finetune: 'fine-tuning' } as const

const STAGES: Record<Stage, string> = {
  before: 'before',
  regularized: 'end of the regularized phase',
  cut: 'right after the cut',
  compensated: 'after compensation',
  finetuned: 'after fine-tuning',
}

async function latency(models: readonly ScriptModule[], batch: number): Promise<Latency[]> {
  const x = Tensor.zeros([batch, 1, 8, 8])
  const times = await measureLatency(models, [x], { rounds: batch === 1 ? 100 : 40 })
  x.dispose()
  return times
}

/** One line a stage. Latency and file size are measured on the first model and on the last. */
function summary({ evaluations, plan }: SparsifyResult, latencies: Latency[][], files: string[]): string {
  const measured = [0, 1].map((which) => [
    ...latencies.map((models) => `${models[which]!.min.toFixed(2)} / ${models[which]!.median.toFixed(2)}`),
    integer(statSync(files[which]!).size),
  ])
  const row = (stage: Stage, which: 0 | 1, more: string[] = []) => [
    ...[STAGES[stage], percent(evaluations[stage]!.accuracy!), integer(plan.params[which]), integer(plan.macs[which])],
    ...more,
  ]
  const titles = ['accuracy', 'parameters', 'MACs', ...BATCHES.map((n) => `ms for ${n} (min / median)`), 'bytes']
  const table = formatTable(
    [{ title: '' }, ...titles.map((title) => ({ title, align: 'right' as const }))],
    [row('before', 0, measured[0]), row('regularized', 0), row('cut', 1), row('finetuned', 1, measured[1])],
  )
  const drop = 100 * (evaluations.regularized!.accuracy! - evaluations.cut!.accuracy!)
  return `${table}\n\nDrop at the cut: ${drop.toFixed(2)} points of accuracy.`
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      'sparse-epochs': { type: 'string' },
      'finetune-epochs': { type: 'string' },
      out: { type: 'string', default: 'out' },
    },
  })
  const { seed, out } = values
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text))
  const epochs = { sparseEpochs: number(values['sparse-epochs']), finetuneEpochs: number(values['finetune-epochs']) }
  const { small } = await demo({ seed: Number(seed), out, ...epochs }, (text) => process.stdout.write(`${text}\n`))
  small.dispose()
}
