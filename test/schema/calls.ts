import { ALL_FINITE } from '../../lib/base/checked.js'
import { RANDOM_NEW } from '../../lib/base/random.js'
import type { Parameter } from '../../lib/base/schema/index.js'
import { COMPENSATE } from '../../lib/cut/compensate.js'
import { COMPILE_CUT } from '../../lib/cut/edits.js'
import { CUT_AND_VERIFY } from '../../lib/cut/verify/verify.js'
import { DRAW } from '../../lib/draw/draw.js'
import { EXPLAIN } from '../../lib/explain/explain.js'
import { ANALYSE } from '../../lib/groups/analyse.js'
import { SIGNATURES } from '../../lib/groups/checked.js'
import { UNIT_COUNT } from '../../lib/groups/widths.js'
import { IMPORTANCE_CONTEXT } from '../../lib/importance/context.js'
import { BN_SCALE_CRITERION } from '../../lib/importance/criteria/bn-scale.js'
import { FPGM } from '../../lib/importance/criteria/fpgm.js'
import { LP } from '../../lib/importance/criteria/lp.js'
import { RANDOM_CRITERION } from '../../lib/importance/criteria/random.js'
import * as weights from '../../lib/importance/weights.js'
import { LOAD_LIBTORCH } from '../../lib/libtorch/load.js'
import { DIFF_MANIFESTS } from '../../lib/manifest/diff.js'
import { FINGERPRINT_OF } from '../../lib/manifest/fingerprint.js'
import { MAKE_MANIFEST, SAVE_MANIFEST } from '../../lib/manifest/manifest.js'
import { CHECK_MANIFEST, LOAD_MANIFEST } from '../../lib/manifest/read.js'
import * as across from '../../lib/manifest/tensors.js'
import { COUNT_OPERATORS, COUNT_SIZE } from '../../lib/measure/count.js'
import { MEASURE_LATENCY } from '../../lib/measure/latency.js'
import { ADAMW } from '../../lib/optim/adamw.js'
import { COSINE, LARGEST_FACTOR, STEP } from '../../lib/optim/schedule.js'
import { SGD } from '../../lib/optim/sgd.js'
import { CHECK_STABILITY, STABILITY_BOUND } from '../../lib/optim/stability.js'
import { APPROXIMATIONS } from '../../lib/plan/approximate.js'
import { DESCRIBE_PLAN, MAKE_PLAN, UNITS_OF_PLAN } from '../../lib/plan/schemas.js'
import { DIMENSION_COEFFICIENTS, LARGEST_COEFFICIENT } from '../../lib/regularize/coefficients.js'
import { FADING } from '../../lib/regularize/fading.js'
import { GROW_CHOSEN, GROW_GROUP } from '../../lib/regularize/formula.js'
import { GREG1 } from '../../lib/regularize/greg1.js'
import { GREG2 } from '../../lib/regularize/greg2.js'
import { GROWING } from '../../lib/regularize/growing.js'
import { SCHEDULED } from '../../lib/regularize/scheduled.js'
import { BN_SCALE, CONSTANT_L2, GROUP_LASSO } from '../../lib/regularize/simple.js'
import * as groupsReport from '../../lib/report/groups.js'
import { FORMAT_TABLE, INTEGER, PERCENT } from '../../lib/report/table.js'
import { OPTIMIZE_FOR_INFERENCE } from '../../lib/run/inference.js'
import { JSON_LINES } from '../../lib/run/jsonl.js'
import { PRUNE } from '../../lib/run/prune.js'
import { REPLAY } from '../../lib/run/replay.js'
import { RATIOS_WITHIN, SENSITIVITY } from '../../lib/run/sensitivity.js'
import { RUN as NEW_RUN, SPARSIFY } from '../../lib/run/types.js'
import { DEFINE } from '../../lib/torch/define.js'
import * as functional from '../../lib/torch/functional.js'
import { LOAD } from '../../lib/torch/load.js'
import * as modules from '../../lib/torch/module-calls.js'
import { RUN } from '../../lib/torch/operators.js'
import { ARMED, SCALE } from '../../lib/torch/penalty-hook.js'
import { MANUAL_SEED, SET_MEMORY_LIMIT, SET_THREADS } from '../../lib/torch/settings.js'
import * as tensors from '../../lib/torch/tensor.js'
import { LOAD_UNTRUSTED } from '../../lib/torch/untrusted/index.js'
import { RANDOM_SHIFT } from '../../lib/train/data/augment.js'
import { BATCH_COUNT, BATCHES } from '../../lib/train/data/batches.js'
import { IMAGE_FOLDER } from '../../lib/train/data/files/images/options.js'
import { READ_NPY } from '../../lib/train/data/files/npy.js'
import { READ_NPZ } from '../../lib/train/data/files/npz.js'
import { READ_SAFETENSORS } from '../../lib/train/data/files/safetensors.js'
import { READ_TABLE } from '../../lib/train/data/files/table.js'
import { TOKEN_FILE } from '../../lib/train/data/files/tokens.js'
import { IN_MEMORY } from '../../lib/train/data/in-memory.js'
import { FROM_ASYNC_ITERABLE } from '../../lib/train/data/stream.js'
import { SHUFFLE, SPLIT, SUBSET } from '../../lib/train/data/subset.js'
import { EVALUATE } from '../../lib/train/evaluate.js'
import { LARGEST_STEPPING, PHASE_LENGTH, TRAIN } from '../../lib/train/loop.js'
import { CROSS_ENTROPY_LOSS } from '../../lib/train/losses/cross-entropy.js'
import { CTC } from '../../lib/train/losses/ctc.js'
import { BINARY_CROSS_ENTROPY, HUBER } from '../../lib/train/losses/elementwise.js'
import { LOSS_FUNCTION } from '../../lib/train/losses/index.js'
import { TOP_K } from '../../lib/train/metrics/classes.js'
import { ERROR_RATE } from '../../lib/train/metrics/values.js'
import { espalier } from '../support/public.js'

const { Tensor } = espalier

/** A public call: what each parameter takes, and arguments that are right. */
export interface Case {
  parameters: readonly Parameter<never>[]
  args: readonly unknown[]
  call: (...args: never[]) => unknown
}

/** Calls that take nothing. */
export const WITHOUT_PARAMETERS = ['groupL1', 'groupL2', 'threads', 'torchVersion']

/** Calls that check their arguments without a schema, where one would cost too much; their own tests try wrong values. */
export const WITHOUT_SCHEMA: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
  call: [[], [5, []], ['aten::neg', 5], ['aten::neg', [], null], ['aten::none', []], ['aten::neg', [5]]],
  keep: [[], [5], [{}]],
  scope: [[], [5], ['f']],
}

const SOURCE = `def forward(self, x: Tensor) -> Tensor:
  return torch.linear(torch.relu(torch.linear(x, self.a)), self.b)`

/** Every exported function by its name, and the methods that take options. */
export async function cases(): Promise<Readonly<Record<string, Case>>> {
  const parameters = {
    a: Tensor.from([1, 2, 3, 4, 5, 6, 7, 8], [4, 2], { requiresGrad: true }),
    b: Tensor.from([1, -2, 3, -4, 5, -6, 7, -8], [2, 4], { requiresGrad: true }),
  }
  const model = await espalier.define(SOURCE, { parameters })
  const x = Tensor.from([1, 2], [1, 2])
  const inputs = [x]
  const recording = await model.record(inputs)
  const analysis = espalier.analyse(recording.record)
  const importance = espalier.groupL2()
  const source = espalier.weightsOf(model)
  const scores = await importance({ groups: analysis, weights: source })
  const plan = espalier.makePlan(analysis, scores)
  const removed = espalier.removedUnits(analysis, plan)
  const around = { methods: { kept: [], cut: [], dropped: [] }, closed: [], unreached: [] }
  const result = { small: model, analysis, plan, verification: { passes: [] }, interface: around }
  const manifest = espalier.makeManifest(result)
  const examples = { data: new Float32Array(8), shape: [4, 2] }
  const targets = { data: new BigInt64Array(4), shape: [4] }
  const train = espalier.inMemory(examples, targets)
  const phase = { epochs: 1, optimizer: espalier.sgd({ lr: 0.1 }) }
  const options = { ...phase, data: { train }, loss: 'cross-entropy' as const }
  const sparsify = {
    ...{ inputs, data: { train }, loss: 'cross-entropy' as const, budget: { macs: 0.5 } },
    ...{ regularizer: espalier.greg1(), sparse: phase, finetune: phase, checkpoint: { path: '/dev/null/none' } },
  }
  const random = new espalier.Random(1)
  const axis = analysis.axesOf(0)?.[0] ?? { size: 1, units: new Int32Array(0) }
  const reg = analysis.groups.map(({ size }) => new Float32Array(size))
  const labels = Tensor.from(new BigInt64Array(1), [1])
  const schedule = { name: 'own', picks: 'end', updateEvery: 1, start: () => 0, grow: () => 0, highest: () => 0 }
  const regularizer = await espalier.greg1().attach({ model, groups: analysis, removed: plan.removed, iterations: 10 })
  const hook = regularizer.hook()
  const named = new Map([['a', Tensor.zeros([4, 2])]])
  const state = { steps: 0, tensors: new Map() }
  const of = (signature: { parameters: readonly unknown[] }, call: unknown, ...args: unknown[]): Case => ({
    parameters: signature.parameters as Case['parameters'],
    args,
    call: call as Case['call'],
  })
  const method =
    (target: object, name: string) =>
    (...args: unknown[]) =>
      (target as Record<string, (...args: unknown[]) => unknown>)[name]!(...args)
  const setter = (target: object, name: string) => (value: unknown) => {
    ;(target as Record<string, unknown>)[name] = value
  }
  return {
    adamw: of(ADAMW, espalier.adamw, {}),
    allFinite: of(ALL_FINITE, espalier.allFinite, [1]),
    analyse: of(ANALYSE, espalier.analyse, recording.record, {}),
    approximations: of(APPROXIMATIONS, espalier.approximations, analysis, removed),
    argmax: of(functional.ARGMAX, espalier.argmax, x, 0),
    assertFiniteScores: of(weights.ASSERT_FINITE_SCORES, espalier.assertFiniteScores, analysis, scores, source),
    batchCount: of(BATCH_COUNT, espalier.batchCount, train, 2),
    batches: of(BATCHES, espalier.batches, train, { resume: { batch: 0, random: random.state } }),
    bnScale: of(BN_SCALE, espalier.bnScale, {}),
    carryState: of(across.CARRY_STATE, espalier.carryState, manifest, state),
    checkManifest: of(CHECK_MANIFEST, espalier.checkManifest, manifest, 'it'),
    checkStability: of(CHECK_STABILITY, espalier.checkStability, 0.1, { lr: 0.1 }, undefined, 'gradient'),
    compensate: of(COMPENSATE, espalier.compensate, {
      ...{ model, small: result.small, recording, analysis, plan, inputs },
      data: (async function* () {})(),
    }),
    compileCut: of(COMPILE_CUT, espalier.compileCut, analysis, plan),
    constantL2: of(CONSTANT_L2, espalier.constantL2, {}),
    'lr.cosine': of(COSINE, espalier.lr.cosine, {}),
    countOperators: of(COUNT_OPERATORS, espalier.countOperators, analysis, removed),
    countSize: of(COUNT_SIZE, espalier.countSize, analysis, removed),
    coverageLines: of(groupsReport.COVERAGE_LINES, espalier.coverageLines, analysis),
    crossEntropy: of(functional.CROSS_ENTROPY, espalier.crossEntropy, x, labels, {}),
    crossEntropySync: of(functional.CROSS_ENTROPY_SYNC, espalier.crossEntropySync, x, labels, {}),
    cutAndVerify: of(CUT_AND_VERIFY, espalier.cutAndVerify, model, recording, analysis, plan, inputs, {}),
    define: of(DEFINE, espalier.define, SOURCE, { parameters }),
    describePlan: of(DESCRIBE_PLAN, espalier.describePlan, analysis, removed),
    diffManifests: of(DIFF_MANIFESTS, espalier.diffManifests, manifest, manifest),
    dimensionCoefficients: of(DIMENSION_COEFFICIENTS, espalier.dimensionCoefficients, analysis, reg),
    draw: of(DRAW, espalier.draw, analysis, {}),
    evaluate: of(EVALUATE, espalier.evaluate, model, train, { loss: 'cross-entropy' }),
    expandTensors: of(across.EXPAND_TENSORS, espalier.expandTensors, manifest, new Map()),
    explain: of(EXPLAIN, espalier.explain, analysis, { parameter: 'a', dim: 0 }),
    fading: of(FADING, espalier.fading, {}),
    fingerprintOf: of(FINGERPRINT_OF, espalier.fingerprintOf, recording.record),
    flatArgs: of(SIGNATURES.flatArgs, espalier.flatArgs, [0]),
    formatTable: of(FORMAT_TABLE, espalier.formatTable, [{ title: 'a' }], [[1]]),
    frozenTable: of(groupsReport.FROZEN_TABLE, espalier.frozenTable, analysis),
    greg1: of(GREG1, espalier.greg1, {}),
    greg2: of(GREG2, espalier.greg2, {}),
    groupLasso: of(GROUP_LASSO, espalier.groupLasso, {}),
    groupsTable: of(groupsReport.GROUPS_TABLE, espalier.groupsTable, analysis),
    growChosen: of(GROW_CHOSEN, espalier.growChosen, new Float32Array(1), [1], new Set(), 0.1, 0, 1),
    growGroup: of(GROW_GROUP, espalier.growGroup, new Float32Array(1), [1], 0.1, 1),
    growing: of(GROWING, espalier.growing, {}),
    fromAsyncIterable: of(FROM_ASYNC_ITERABLE, espalier.fromAsyncIterable, () => [], { size: 2, inputNames: ['x'] }),
    imageFolder: of(IMAGE_FOLDER, espalier.imageFolder, 'none', { labels: false, size: [8, 8] }),
    importanceContext: of(IMPORTANCE_CONTEXT, espalier.importanceContext, { model, groups: analysis }),
    inMemory: of(IN_MEMORY, espalier.inMemory, examples, targets, [0, 1]),
    integer: of(INTEGER, espalier.integer, 5),
    jsonLines: of(JSON_LINES, espalier.jsonLines, 'none/run.jsonl', {}),
    keptCoordinates: of(SIGNATURES.keptCoordinates, espalier.keptCoordinates, axis, removed),
    keptSize: of(SIGNATURES.keptSize, espalier.keptSize, axis, removed),
    largestCoefficient: of(LARGEST_COEFFICIENT, espalier.largestCoefficient, analysis, reg),
    largestFactor: of(LARGEST_FACTOR, espalier.largestFactor, espalier.lr.constant(), 1, 1),
    largestStepping: of(LARGEST_STEPPING, espalier.largestStepping, options),
    load: of(LOAD, espalier.load, new Uint8Array(0), {}),
    loadLibtorch: of(LOAD_LIBTORCH, espalier.loadLibtorch, {}),
    loadManifest: of(LOAD_MANIFEST, espalier.loadManifest, 'none.json'),
    loadUntrusted: of(LOAD_UNTRUSTED, espalier.loadUntrusted, new Uint8Array(0), {}),
    'criteria.bnScale': of(BN_SCALE_CRITERION, espalier.criteria.bnScale, {}),
    'criteria.fpgm': of(FPGM, espalier.criteria.fpgm, {}),
    'criteria.lp': of(LP, espalier.criteria.lp, {}),
    'criteria.random': of(RANDOM_CRITERION, espalier.criteria.random, {}),
    'losses.binaryCrossEntropy': of(BINARY_CROSS_ENTROPY, espalier.losses.binaryCrossEntropy, {}),
    'losses.crossEntropy': of(CROSS_ENTROPY_LOSS, espalier.losses.crossEntropy, {}),
    'losses.ctc': of(CTC, espalier.losses.ctc, {}),
    'losses.huber': of(HUBER, espalier.losses.huber, {}),
    'metrics.errorRate': of(ERROR_RATE, espalier.metrics.errorRate, { read: () => [], reference: () => [] }),
    'metrics.topK': of(TOP_K, espalier.metrics.topK, 1),
    lossFunction: of(LOSS_FUNCTION, espalier.lossFunction, 'mse', 1),
    makeManifest: of(MAKE_MANIFEST, espalier.makeManifest, result),
    makePlan: of(MAKE_PLAN, espalier.makePlan, analysis, scores, {}),
    manualSeed: of(MANUAL_SEED, espalier.manualSeed, 1),
    optimizeForInference: of(OPTIMIZE_FOR_INFERENCE, espalier.optimizeForInference, model, { inputs: [x], rounds: 1 }),
    measureLatency: of(MEASURE_LATENCY, espalier.measureLatency, [model], [x], { rounds: 1, warmUp: 0 }),
    mseLoss: of(functional.MSE_LOSS, espalier.mseLoss, x, x, {}),
    mseLossSync: of(functional.MSE_LOSS_SYNC, espalier.mseLossSync, x, x, {}),
    percent: of(PERCENT, espalier.percent, 0.5, 1),
    phaseLength: of(PHASE_LENGTH, espalier.phaseLength, options),
    prune: of(PRUNE, espalier.prune, model, { inputs }),
    randomShift: of(RANDOM_SHIFT, espalier.randomShift, {}),
    readNpy: of(READ_NPY, espalier.readNpy, 'none.npy'),
    readNpz: of(READ_NPZ, espalier.readNpz, 'none.npz', {}),
    readSafetensors: of(READ_SAFETENSORS, espalier.readSafetensors, 'none.safetensors'),
    readTable: of(READ_TABLE, espalier.readTable, 'none.csv', { target: 'a', columns: ['b'] }),
    ratiosWithin: of(RATIOS_WITHIN, espalier.ratiosWithin, { points: [] } as never, 0.1),
    reasonInWords: of(groupsReport.REASON_IN_WORDS, espalier.reasonInWords, { kind: 'model output' }),
    removedUnits: of(UNITS_OF_PLAN, espalier.removedUnits, analysis, plan),
    replay: of(REPLAY, espalier.replay, model, manifest, { inputs }),
    run: of(RUN, espalier.run, [{ op: 'aten::neg', args: [x] }], {}),
    saveManifest: of(SAVE_MANIFEST, espalier.saveManifest, 'none/manifest.json', result),
    scheduled: of(SCHEDULED, espalier.scheduled, schedule),
    sensitivity: of(SENSITIVITY, espalier.sensitivity, model, { inputs, data: train, ratios: [0.5] }),
    setMemoryLimit: of(SET_MEMORY_LIMIT, espalier.setMemoryLimit, Number.MAX_SAFE_INTEGER),
    setThreads: of(SET_THREADS, espalier.setThreads, espalier.threads()),
    sgd: of(SGD, espalier.sgd, { lr: 0.1 }),
    shrinkTensors: of(across.SHRINK_TENSORS, espalier.shrinkTensors, manifest, named),
    softmax: of(functional.SOFTMAX, espalier.softmax, x, 0),
    sparsify: of(SPARSIFY, espalier.sparsify, model, sparsify),
    shuffle: of(SHUFFLE, espalier.shuffle, train, { seed: 1 }),
    split: of(SPLIT, espalier.split, train, { validation: 0.5 }),
    stabilityBound: of(STABILITY_BOUND, espalier.stabilityBound, { lr: 0.1 }),
    'lr.step': of(STEP, espalier.lr.step, { every: 1 }),
    subset: of(SUBSET, espalier.subset, train, [0, 1]),
    tokenFile: of(TOKEN_FILE, espalier.tokenFile, 'none.txt', { length: 2, type: 'uint16' }),
    survives: of(SIGNATURES.survives, espalier.survives, axis, 0, removed),
    train: of(TRAIN, espalier.train, model, options),
    unitCount: of(UNIT_COUNT, espalier.unitCount, analysis),
    weightsFrom: of(weights.WEIGHTS_FROM, espalier.weightsFrom, {}),
    weightsOf: of(weights.WEIGHTS_OF, espalier.weightsOf, model),

    'new Random': of(RANDOM_NEW, (...args: [number, number]) => new espalier.Random(...args), 1, 0),
    'new Run': of(NEW_RUN, (...args: never) => new espalier.Run(...(args as [never, never])), model, sparsify),
    'PenaltyHook.armed': of(ARMED, setter(hook, 'armed'), true),
    'PenaltyHook.scale': of(SCALE, setter(hook, 'scale'), 1),
    'ScriptModule.callMethod': of(modules.CALL_METHOD, method(model, 'callMethod'), 'forward', [x], {}),
    'ScriptModule.cut': of(modules.CUT, method(model, 'cut'), recording, espalier.compileCut(analysis, plan), {}),
    'ScriptModule.forwardWith': of(modules.FORWARD_WITH, method(model, 'forwardWith'), [x], {}),
    'ScriptModule.observe': of(modules.OBSERVE, method(model, 'observe'), recording, [x], [], {}),
    'ScriptModule.record': of(modules.RECORD, method(model, 'record'), [x], {}),
    'ScriptModule.save': of(modules.SAVE, method(model, 'save'), '/dev/null/none', {}),
    'ScriptModule.to': of(modules.MODULE_TO, method(model, 'to'), 'cpu', {}),
    'ScriptModule.train': of(modules.TRAIN_MODE, method(model, 'train'), true),
    'Tensor.backward': of(tensors.BACKWARD, method(x, 'backward'), {}),
    'Tensor.backwardSync': of(tensors.BACKWARD_SYNC, method(x, 'backwardSync'), {}),
    'Tensor.from': of(tensors.TENSOR_FROM, (o: never) => Tensor.from([1], [1], o), {}),
    'Tensor.full': of(tensors.TENSOR_FULL, (s: never, o: never) => Tensor.full(s, 1, o), [1], {}),
    'Tensor.to': of(tensors.TENSOR_TO, method(x, 'to'), 'cpu'),
  }
}
