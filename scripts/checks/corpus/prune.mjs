// The child process of child.mjs: loads one file, records and groups it, prunes it in each mode and saves the results
// with their manifests. It says what happens over the channel to its parent.
//
//   node scripts/checks/corpus/prune.mjs TASK     (JSON, see child.mjs)

import { basename, join } from 'node:path'
import { EspalierError, load, prune, saveManifest, setThreads, Tensor } from 'espalier'
import { analyse, flatArgs } from 'espalier/analysis'
import { ATTENTION_KINDS, attentionKept, hasAttention } from './attention.mjs'
import { readInputs } from './files.mjs'
import { whyNothing } from './nothing.mjs'

/** Refusals: the model is at fault, or beyond what is supported. Anything else is a failure of ours. */
const REFUSALS = ['ERR_NOTHING_PRUNABLE', 'ERR_UNSUPPORTED', 'ERR_FROZEN_MODULE']

/** @type {import('./child.mjs').Task} */
const task = JSON.parse(process.argv[2] ?? '')

/** @param {import('./child.mjs').Analysed | import('./child.mjs').Pruned} message @returns {Promise<void>} */
function tell(message) {
  return new Promise((resolve) => process.send?.(message, () => resolve()))
}

/** @param {unknown} error @param {number} started @param {string} mode @returns {import('./child.mjs').Pruned} */
function failure(error, started, mode) {
  const ms = Date.now() - started
  if (!(error instanceof EspalierError)) {
    return { kind: 'mode', mode, status: 'failed', message: error instanceof Error ? `${error.stack}` : `${error}`, ms }
  }
  const operator = /\b(aten|prim|quantized|torchvision|torch_\w+)::\w+/.exec(
    `${error.message} ${error.detail ?? ''}`,
  )?.[0]
  return {
    kind: 'mode',
    mode,
    status: REFUSALS.includes(error.code) ? 'refused' : 'failed',
    code: error.code,
    ...(operator && { operator }),
    message: [error.message, ...(error.detail ?? '').split('\n').slice(0, 3)].filter(Boolean).join(' | '),
    ms,
  }
}

/** @param {import('espalier/analysis').FreezeReason} reason */
const wordsOf = ({ kind, operator }) => [kind, operator].filter(Boolean).join(' ')

/** Parameters that only a branch reads which the example does not take. @param {import('espalier/analysis').OpRecord} record */
function untaken(record) {
  /** @param {boolean} speculative */
  const read = (speculative) =>
    new Set(
      record.ops
        .filter((op) => op.speculative === speculative)
        .flatMap((op) => op.inputs.flatMap((arg) => flatArgs(arg)))
        .flatMap((id) => {
          const value = record.values[id]
          return value?.kind === 'tensor' ? (value.names ?? []) : []
        }),
    )
  const taken = read(false)
  return [...read(true)].filter((name) => !taken.has(name))
}

/** @param {import('espalier').Analysis} groups @returns {import('./child.mjs').Analysed} */
function describe(groups) {
  return {
    kind: 'analysed',
    coverage: groups.coverage,
    untaken: untaken(groups.record),
    frozen: groups.topReasons.map(({ reason, elements }) => ({ reason: wordsOf(reason), elements })),
    dimensions: groups.frozen.map(({ name, dim, reasons }) => ({ name, dim, reasons: reasons.map(wordsOf) })),
    groups: groups.groups.map(({ kind, size, members }) => ({
      kind,
      size,
      members: members.map(({ name, use, dim, coords, units }) => ({
        name,
        use,
        dim,
        coords: Array.from(coords),
        units: Array.from(units),
      })),
    })),
  }
}

/** @param {string} mode @param {import('espalier').Analysis} analysis */
async function pruneIn(mode, analysis) {
  const started = Date.now()
  const kinds = ATTENTION_KINDS[mode]
  const reason = whyNothing(analysis, mode, task.ratio)
  if (reason !== undefined) {
    const ties = kinds
      ? attentionKept(analysis, { removed: [] }, kinds).flatMap((words) => words.split(': ')[1] ?? [])
      : []
    return tell({ kind: 'mode', mode, status: 'nothing', reason: [reason, ...new Set(ties)].join(', '), ms: 0 })
  }
  try {
    const model = await load(task.path)
    const inputs = readInputs(task.io).map(({ data, shape, dtype }) => Tensor.from(data, shape, { dtype }))
    /** @param {import('espalier').ChannelGroup} group */
    const ofKinds = (group) => (kinds?.includes(group.kind) ? task.ratio : undefined)
    const ranking = mode === 'global' ? 'global' : 'local'
    const result = await prune(model, {
      inputs,
      ratio: kinds ? ofKinds : task.ratio,
      ranking,
      exact: mode === 'exact',
    })
    const { plan } = result
    const file = join(task.out, `${basename(task.path, '.pt')}.${mode}`)
    await result.small.save(`${file}.pt`)
    await saveManifest(`${file}.json`, result)
    await tell({
      kind: 'mode',
      mode,
      status: 'pruned',
      params: [plan.params[0], plan.params[1]],
      macs: [plan.macs[0], plan.macs[1]],
      ...(kinds && { whole: attentionKept(result.analysis, plan, kinds) }),
      approximate: plan.approximate.map(({ operator, scope }) => `${operator} in '${scope}'`),
      pruned: `${file}.pt`,
      manifest: `${file}.json`,
      ms: Date.now() - started,
    })
  } catch (error) {
    await tell(failure(error, started, mode))
  }
}

setThreads(1)
const started = Date.now()
try {
  const model = await load(task.path)
  const inputs = readInputs(task.io).map(({ data, shape, dtype }) => Tensor.from(data, shape, { dtype }))
  const analysis = analyse((await model.record(inputs)).record)
  const attention = task.attention && hasAttention(analysis) ? Object.keys(ATTENTION_KINDS) : []
  await tell({ ...describe(analysis), modes: [...task.modes, ...attention] })
  model.dispose()
  for (const mode of [...task.modes, ...attention]) await pruneIn(mode, analysis)
} catch (error) {
  for (const mode of task.modes) await tell(failure(error, started, mode))
}
process.disconnect()
