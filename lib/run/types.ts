import { count, either, flag, func, maybe, object, signal, signature } from '../base/schema/index.js'
import type { Compensation, Plan, PlanOptions, Uncompensated, Verification } from '../cut/index.js'
import { ANALYSE_ENTRIES } from '../groups/analyse.js'
import type { AnalyseOptions, Analysis } from '../groups/index.js'
import { IMPORTANCE, type Importance } from '../importance/types.js'
import { BUDGET, PLAN_ENTRIES } from '../plan/schemas.js'
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
import { PHASE_ENTRIES, type Phase } from '../train/phase.js'
import { TEACHER_OR_TRUE, type Teacher } from '../train/teacher.js'
import { CHECKPOINT_OPTIONS, type CheckpointOptions } from './checkpoint.js'

export interface SparsifyOptions
  extends AnalyseOptions,
    InterfaceOptions,
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
  /** Part of the MACs or parameters that may stay, in (0, 1]. */
  budget: NonNullable<PlanOptions['budget']>
  /** Part of each group that always stays, in (0, 1]; 0.1 by default, and at least one unit. */
  minKeep?: number | undefined
  /** How the units to remove are chosen; {@link groupL2} by default. */
  importance?: Importance | undefined
  /** What makes the units that go give way; {@link fading} by default. */
  regularizer?: RegularizerFactory | undefined
  /** The regularized phase. */
  sparse: Phase
  /** Training after the cut; none by default. */
  finetune?: Phase | undefined
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
  /** Told what does no harm but should be known; nothing by default. */
  onWarning?: ((message: string) => void) | undefined
}

const PHASE = object<Phase>(PHASE_ENTRIES)
const SPARSIFY_OPTIONS = object<SparsifyOptions>({
  inputs: EXAMPLE_INPUTS,
  data: DATA,
  ...OBJECTIVE_ENTRIES,
  teacher: maybe(TEACHER_OR_TRUE),
  budget: BUDGET,
  minKeep: PLAN_ENTRIES.minKeep,
  importance: maybe(IMPORTANCE),
  regularizer: maybe(REGULARIZER_FACTORY),
  sparse: PHASE,
  finetune: maybe(PHASE),
  compensate: maybe(
    either('true, false or { batches }', flag, object<{ batches?: number | undefined }>({ batches: maybe(count()) })),
  ),
  checkpoint: maybe(CHECKPOINT_OPTIONS),
  augment: maybe(AUGMENT),
  seed: maybe(count(0)),
  signal: maybe(signal),
  onEvent: maybe(func<(record: RunEvent) => void>()),
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
  | { kind: 'analysis'; analysis: Analysis }
  | { kind: 'plan'; plan: Plan }
  /** Only with validation data. `regularized` is measured with the weights as trained: nothing zeroed or compensated. */
  | { kind: 'evaluation'; stage: Stage; evaluation: Evaluation }
  | (TrainEvent & { phase: 'sparse' | 'finetune' })
  /** After each epoch of the regularized phase. */
  | RegularizerEvent
  /** The schedule came to its end before the phase did: `saved` iterations of the phase are not made. */
  | { kind: 'early'; iteration: number; saved: number }
  /** The cut and its verification start; on a large model they take a while. */
  | { kind: 'cutting' }
  | { kind: 'cut'; verification: Verification }
  | { kind: 'compensated'; compensations: readonly Compensation[]; uncompensated: readonly Uncompensated[] }

/** What {@link sparsify} gives. */
export interface SparsifyResult {
  /** The smaller model, in eval mode. The caller disposes it. */
  small: ScriptModule
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
}
