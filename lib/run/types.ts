import { ON_PROGRESS } from '../base/progress.js'
import { count, either, flag, func, maybe, number, object, signal, signature, thing } from '../base/schema/index.js'
import type { Compensation, Plan, PlanOptions, Uncompensated, Verification } from '../cut/index.js'
import { ANALYSE_ENTRIES } from '../groups/analyse.js'
import type { AnalyseOptions, Analysis } from '../groups/index.js'
import { IMPORTANCE, type Importance } from '../importance/types.js'
import type { LeaveOptions } from '../plan/leave.js'
import { BUDGET, LEAVE_ENTRIES, PLAN_ENTRIES } from '../plan/schemas.js'
import type { RegularizerEvent, RegularizerFactory, RegularizerState } from '../regularize/index.js'
import { REGULARIZER_FACTORY } from '../regularize/types.js'
import type { InterfaceOptions, InterfaceReport, MethodOptions, ModuleInput, ScriptModule } from '../torch/index.js'
import { INTERFACE_ENTRIES } from '../torch/interface.js'
import { MODULE } from '../torch/module.js'
import { EXAMPLE_INPUTS, METHODS } from '../torch/module-calls.js'
import { AUGMENT } from '../train/data/dataset.js'
import type { Augment, Dataset, EpochEvent, Evaluation, TrainEvent } from '../train/index.js'
import { DATA } from '../train/loop.js'
import { OBJECTIVE_ENTRIES, type ObjectiveOptions } from '../train/objective.js'
import { TEACHER_OR_TRUE, type Teacher } from '../train/teacher.js'
import type { LatencyReport } from './aim.js'
import type { Held, Withheld } from './at-the-cut.js'
import { CHECKPOINT_OPTIONS, type CheckpointOptions } from './checkpoint.js'
import { PHASE_OPTIONS, type PhaseOptions, type Settings, type TrialEvent } from './settings.js'

export interface SparsifyOptions
  extends AnalyseOptions,
    InterfaceOptions,
    LeaveOptions,
    MethodOptions,
    Omit<ObjectiveOptions, 'teacher'> {
  /** What the graph is recorded on, and the cut verified: one for each input of the model. */
  inputs: readonly ModuleInput[]
  /** Examples to train on, and others to measure accuracy on where there are such; regularizers in a closed loop need them. */
  data: { train: Dataset; validation?: Dataset | undefined }
  /**
   * Whose outputs are targets in both phases, beside those of the data, or alone where it has none: `true` for the model as it was given,
   * another model, or either with options; see {@link TeacherOptions}. None by default.
   */
  teacher?: true | Teacher | undefined
  /** What may stay: a part in (0, 1], or an amount, of the MACs, parameters, bytes, memory or latency, or of several: see {@link PlanOptions}. */
  budget: NonNullable<PlanOptions['budget']>
  /** Part of each group that always stays, in (0, 1]; 0.1 by default, and at least one unit. */
  minKeep?: number | undefined
  /** How the units to remove are chosen; {@link groupL2} by default. */
  importance?: Importance | undefined
  /** What makes the units that go give way; {@link fading} by default. */
  regularizer?: RegularizerFactory | undefined
  /**
   * The regularized phase. By default AdamW with a learning rate that a short trial finds, held for 60 % and then down a cosine; 500 steps
   * or more, and 3 epochs or more; batches of 64.
   */
  sparse?: PhaseOptions | undefined
  /**
   * Training after the cut, or false for none; by default two thirds of the epochs of `sparse`, with its optimizer and batches. The
   * learning rate of a named optimizer is that with which the network recovers best, at most the next above that of `sparse`; by default
   * it rises in the first tenth, and falls along a cosine.
   */
  finetune?: PhaseOptions | false | undefined
  /**
   * In how many rounds it is regularized and cut, 1 or more: each takes the same part of what the one before left, in its share of the
   * epochs; the state of the optimizer, and penalties of units that stay, go on. 1 by default.
   */
  rounds?: number | undefined
  /**
   * By how much of the regularized phase it may go on, pass by pass, while units that go have not given way: 0.5 for half as long again.
   * 0 by default. The learning rate stays what it was at the end.
   */
  extend?: number | undefined
  /**
   * The most that may be lost at the cut, on the validation data, 0 or more: of accuracy, or the first of `metrics` where more is better,
   * in its own unit (0.005 is half a point); of a loss, or where less is better, a part (0.01 is 1 %). When more is lost the cut is
   * withheld: the result is the model as trained, with `withheld` in it, and not fine-tuned. No limit by default.
   */
  maxDrop?: number | undefined
  /**
   * Fold what the removed channels still emit into their consumers, measured on the first `batches` (8 by default) batches of
   * the training data, after accuracy right after the cut was measured. Off by default. See {@link compensate}.
   */
  compensate?: boolean | { batches?: number | undefined } | undefined
  /**
   * Writes where the run is to a file, so that it can go on from there, bit by bit as if it had never stopped, on the same
   * machine and thread count. None by default.
   */
  checkpoint?: CheckpointOptions | undefined
  /** Changes the training examples of each batch, such as `randomShift()`; none by default. */
  augment?: Augment | undefined
  /** An integer, 0 or more; 0 by default. The same seed gives the same result, bit by bit, on the same machine and thread count. */
  seed?: number | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
  /** Called with each event, as it happens; nothing by default. */
  onEvent?: ((record: RunEvent) => void) | undefined
  /** Told how far each cut and its proof are, from 0 to 1; nothing by default. */
  onProgress?: ((part: number) => void) | undefined
  /** Told what does no harm but should be known; nothing by default. */
  onWarning?: ((message: string) => void) | undefined
}

const SPARSIFY_OPTIONS = object<SparsifyOptions>({
  inputs: EXAMPLE_INPUTS,
  data: DATA,
  ...OBJECTIVE_ENTRIES,
  teacher: maybe(TEACHER_OR_TRUE),
  budget: BUDGET,
  minKeep: PLAN_ENTRIES.minKeep,
  ...LEAVE_ENTRIES,
  importance: maybe(IMPORTANCE),
  regularizer: maybe(REGULARIZER_FACTORY),
  sparse: maybe(PHASE_OPTIONS),
  finetune: maybe(
    either(
      'false, or a phase',
      thing<false>('false', (value) => value === false),
      PHASE_OPTIONS,
    ),
  ),
  rounds: maybe(count()),
  extend: maybe(number({ min: 0 })),
  maxDrop: maybe(number({ min: 0 })),
  compensate: maybe(
    either('true, false or { batches }', flag, object<{ batches?: number | undefined }>({ batches: maybe(count()) })),
  ),
  checkpoint: maybe(CHECKPOINT_OPTIONS),
  augment: maybe(AUGMENT),
  seed: maybe(count(0)),
  signal: maybe(signal),
  onEvent: maybe(func<(record: RunEvent) => void>()),
  onProgress: maybe(ON_PROGRESS),
  onWarning: maybe(func<(message: string) => void>()),
  ...ANALYSE_ENTRIES,
  ...INTERFACE_ENTRIES,
  methods: METHODS,
})
/** @internal */
export const SPARSIFY = signature('sparsify', ['model', MODULE], ['options', SPARSIFY_OPTIONS])
/** @internal */
export const RUN = signature('new Run', ['model', MODULE], ['options', SPARSIFY_OPTIONS])

/** Where a run is when it measures. */
export type Stage = 'before' | 'regularized' | 'cut' | 'compensated' | 'finetuned'

/** What happens in a run, in order. */
export type RunEvent =
  /** A learning rate is tried, where the options name none. */
  | TrialEvent
  /** What the phases are made with, defaults filled in. */
  | { kind: 'settings'; settings: Settings }
  | { kind: 'analysis'; analysis: Analysis }
  | { kind: 'plan'; plan: Plan }
  /** Only with validation data. `regularized` is measured with the weights as trained: nothing zeroed or compensated. */
  | { kind: 'evaluation'; stage: Stage; evaluation: Evaluation }
  | (TrainEvent & { phase: 'sparse' | 'finetune' })
  /** After each epoch of the regularized phase. */
  | RegularizerEvent
  /** The schedule came to its end before the phase did: `saved` iterations of the phase are not made. */
  | { kind: 'early'; iteration: number; saved: number }
  /** A round that is not the last has ended with its cut. */
  | { kind: 'round'; round: number; rounds: number; plan: Plan }
  /** The cut and its verification start; on a large model they take a while. */
  | { kind: 'cutting' }
  | { kind: 'cut'; verification: Verification }
  /** Only for a budget of latency: before the training by trials, and after the cut. */
  | { kind: 'latency'; latency: LatencyReport }
  /** The cut would lose more than `maxDrop`: the model stays as it was trained. */
  | { kind: 'withheld'; withheld: Withheld }
  | { kind: 'compensated'; compensations: readonly Compensation[]; uncompensated: readonly Uncompensated[] }

/** What {@link sparsify} gives. */
export interface SparsifyResult {
  /** The smaller model, in eval mode; the model as trained where the cut was withheld. The caller disposes it. */
  small: ScriptModule
  /** What the run was made with, defaults filled in. */
  settings: Settings
  analysis: Analysis
  plan: Plan
  verification: Verification
  /** What became of other methods than `forward`, and the tensors that it never reads. */
  interface: InterfaceReport
  /** One record for each epoch of both phases. */
  history: (EpochEvent & { phase: 'sparse' | 'finetune' })[]
  /** By stage; empty without validation data. */
  evaluations: Partial<Record<Stage, Evaluation>>
  /** As it was at the end of the regularized phase. */
  regularizer: RegularizerState
  /** Units that had not given way before the cut, by group; empty when nothing was left to lose. */
  held: readonly Held[]
  /** What became of a budget of latency, where there was one, and the cut was not withheld or made before the run went on. */
  latency?: LatencyReport
  /** Why nothing was cut, where nothing was. */
  withheld?: Withheld
}
