// Compares importance, growth and gradients with Torch-Pruning's answers, on the real pipeline: load, record, group, score,
// grow, apply. It lists every difference that is intended, and fails on any other.
//
//   npm run parity -- [--corpus DIR]      DIR/growing-reg/NAME.json, DIR/NAME.trace.pt, DIR/io/NAME.*
//
// What is compared is what the peer does right: rows and columns of convolutions and linear layers with `as_shipped`, norm
// weights with `bn_fixed`. For that our groups are narrowed to the slices that the peer penalises (`asThePeer`).

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { EspalierError, groupL2, growing, load, Tensor } from 'espalier'
import { analyse, formatTable, reasonInWords, weightsOf } from 'espalier/analysis'
import { readInputs } from './corpus/files.mjs'

/**
 * @typedef {import('espalier').Analysis} Analysis
 * @typedef {import('espalier').ChannelGroup} ChannelGroup
 * @typedef {import('espalier/analysis').Member} Member
 * @typedef {import('espalier').ScriptModule} ScriptModule
 *
 * @typedef {{ grad_after?: number[], grad_l2?: number, delta_l2: number }} Gradient
 * @typedef {{ layer: string, kind: string, fn: 'in' | 'out', n: number }} PeerMember
 * @typedef {{ root: string, n: number, members: PeerMember[], importance: number[] | { min: number, max: number } }} PeerGroup
 * @typedef {{ name: string, ignored: string[], groups: PeerGroup[], as_shipped: Record<string, Gradient>,
 *   bn_fixed: Record<string, Gradient> }} Answer
 */

/** Relative; the references are float32. */
const TOLERANCE = 1e-6
/** On the penalty's own norm: max I - I cancels, so the reference's rounding of I is some tens of times larger in it. */
const DELTA_TOLERANCE = 1e-4

/** Why the peer leaves a slice alone, by how we use it. @type {Record<string, string>} */
const UNPENALISED = {
  bias: 'biases: the peer penalises none',
  'norm-bias': 'norm biases: the peer penalises none',
  other: 'raw parameters: the peer penalises none',
  depthwise: 'depthwise filters: the peer neither scores nor penalises them',
  recurrent: 'recurrent layers: the peer neither scores nor penalises them',
  group: 'groups that the peer does not have',
}

/** Groups that the peer gets wrong, by model and root layer. @type {Record<string, Record<string, string>>} */
const WRONG_BY_PEER = {
  toy_concat: { d: "4 of the 8 channels of c are tied to d's, to which they are only concatenated" },
}

const { values: flags } = parseArgs({ options: { corpus: { type: 'string' } } })
const corpus = flags.corpus ?? fileURLToPath(new URL('../../../shared/models', import.meta.url))
const folder = join(corpus, 'growing-reg')
if (!existsSync(folder)) {
  process.stderr.write(`there are no references in ${folder}: name a folder with --corpus\n`)
  process.exit(1)
}

/** @type {(string | number)[][]} */
const rows = []
/** Parameters by reason and model. @type {Map<string, Map<string, Set<string>>>} */
const intended = new Map()
/** @type {string[]} */
const failures = []

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  /** @type {Answer} */
  const answer = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const name = file.replace(/(\.mini)?\.json$/, '')
  process.stdout.write(`${name} ...\n`)
  try {
    await compare(name, answer)
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error
    note('models refused by name', name, `${error.code} ${error.message}`)
    rows.push([name, '', '', '', '', error.code])
  }
}

const columns = ['model', 'parameters compared', 'largest error', 'delta error', 'importance error', ''].map(
  (title, k) => ({
    title,
    align: /** @type {'left' | 'right'} */ (k === 0 || k === 5 ? 'left' : 'right'),
  }),
)
process.stdout.write(`\n${formatTable(columns, rows)}\n\nIntended differences:\n`)
for (const [why, models] of intended) {
  const lines = [...models].map(([name, where]) => `    ${name} (${where.size}): ${[...where].join(', ')}\n`)
  process.stdout.write(`\n* ${why}\n${lines.join('')}`)
}
if (failures.length > 0) {
  process.stdout.write(`\nNOT equal:\n${failures.map((line) => `    ${line}\n`).join('')}`)
  process.exitCode = 1
}

/** @param {string} name @param {Answer} answer */
async function compare(name, answer) {
  const model = (await load(join(corpus, `${name}.trace.pt`))).eval()
  const io = join(corpus, 'io', name)
  const inputs = readInputs({ header: `${io}.json`, data: `${io}.bin` })
  const recording = await model.record(inputs.map(({ data, shape, dtype }) => Tensor.from(data, shape, { dtype })))
  const ours = analyse(recording.record)
  const peer = asThePeer(name, ours, answer, model)

  const elsewhere = groupedOtherwise(name, ours, answer)
  const importanceError = await compareImportance(name, peer, answer, model)
  const gradients = await gradientsAfter(peer, model)
  let compared = 0
  let worst = 0
  let worstDelta = 0
  for (const [parameter, reference] of Object.entries(answer.as_shipped)) {
    if (elsewhere.has(parameter)) continue
    const norm = peer.groups.some(({ members }) => members.some((m) => m.name === parameter && m.use === 'norm-weight'))
    const expected = norm ? /** @type {Gradient} */ (answer.bn_fixed[parameter]) : reference
    const got = gradients.get(parameter)
    if (got === undefined) {
      failures.push(`${name}: there is no parameter ${parameter}`)
      continue
    }
    const { error, deltaError, equal } = difference(got, expected)
    if (!equal) {
      failures.push(
        `${name}: ${parameter}: relative error ${error.toExponential(1)}, of the penalty ${deltaError.toExponential(1)}`,
      )
    }
    compared++
    worst = Math.max(worst, error)
    worstDelta = Math.max(worstDelta, deltaError)
  }
  const [a, b, c] = [worst, worstDelta, importanceError].map((error) => error.toExponential(1))
  rows.push([name, compared, /** @type {string} */ (a), /** @type {string} */ (b), /** @type {string} */ (c), ''])
  recording.dispose()
  model.dispose()
}

/**
 * Our groups, narrowed to what the peer penalises: members that it lists, of the kinds that it scores and penalises. What is
 * left out is noted as an intended difference.
 * @param {string} name @param {Analysis} ours @param {Answer} answer @param {ScriptModule} model
 * @returns {Analysis}
 */
function asThePeer(name, ours, answer, model) {
  const parameters = model.parameters()
  const groups = ours.groups.map((group) => {
    const theirs = answer.groups.find(({ root }) =>
      group.members.some((m) => m.dim === 0 && m.name === `${root}.weight`),
    )
    const members = group.members.filter((member) => {
      if (member.role === 'buffer') return false
      const why = theirs === undefined ? 'group' : reasonToDiffer(member, parameters.get(member.name)?.shape ?? [])
      if (why !== undefined) note(/** @type {string} */ (UNPENALISED[why]), name, `${member.name}[${member.dim}]`)
      return why === undefined
    })
    if (theirs && theirs.n !== group.size) {
      failures.push(`${name}: the group of ${theirs.root} has ${group.size} units, the peer's ${theirs.n}`)
    }
    return { ...group, members }
  })
  return { ...ours, groups }
}

/**
 * The parameters of groups that only the peer has, or that it gets wrong: they can't be compared.
 * @param {string} name @param {Analysis} ours @param {Answer} answer
 */
function groupedOtherwise(name, ours, answer) {
  const missing = answer.groups.filter(({ root }) => groupOf(ours, root) === undefined)
  for (const { root, members } of missing) {
    const why = ours.frozen
      .filter((dimension) => members.some(({ layer }) => dimension.name.startsWith(`${layer}.`)))
      .flatMap(({ reasons }) => reasons.map(reasonInWords))
    note('groups that only the peer has: frozen here', name, `${root}: ${[...new Set(why)].join(', ')}`)
  }
  const wrong = answer.groups.filter(({ root }) => wrongByPeer(name, root) !== undefined)
  for (const { root } of wrong) note('groups that the peer gets wrong', name, `${root}: ${wrongByPeer(name, root)}`)
  return new Set([...missing, ...wrong].flatMap(({ members }) => members.map(({ layer }) => `${layer}.weight`)))
}

/** @param {string} name @param {string} root */
function wrongByPeer(name, root) {
  return WRONG_BY_PEER[name]?.[root]
}

/** @param {Analysis} groups @param {string} root name of a layer whose rows are the units */
function groupOf({ groups }, root) {
  return groups.find(({ members }) => members.some(({ name, dim }) => dim === 0 && name === `${root}.weight`))
}

/** @param {Member} member @param {readonly number[]} shape @returns {keyof typeof UNPENALISED | undefined} */
function reasonToDiffer({ name, use }, shape) {
  if (use === 'bias' || use === 'norm-bias' || use === 'other') return use
  if (/(weight|bias)_(ih|hh)_l\d/.test(name)) return 'recurrent'
  if (use === 'output' && shape.length > 2 && shape[1] === 1 && (shape[0] ?? 0) > 1) return 'depthwise'
  return undefined
}

/** @param {string} name @param {Analysis} groups @param {Answer} answer @param {ScriptModule} model */
async function compareImportance(name, groups, answer, model) {
  const scores = await groupL2()({ groups, weights: weightsOf(model) })
  let worst = 0
  for (const { root, importance } of answer.groups) {
    if (wrongByPeer(name, root) !== undefined) continue
    const group = groupOf(groups, root)
    const own = group && scores.get(group.id)
    if (own === undefined) continue
    const error = Array.isArray(importance)
      ? Math.max(...importance.map((score, unit) => Math.abs((own[unit] ?? Number.NaN) / score - 1)))
      : Math.max(
          Math.abs(Math.min(...Array.from(own)) / importance.min - 1),
          Math.abs(Math.max(...Array.from(own)) / importance.max - 1),
        )
    if (!(error <= TOLERANCE)) failures.push(`${name}: importance of ${root}: relative error ${error.toExponential(1)}`)
    worst = Math.max(worst, error)
  }
  return worst
}

/**
 * The gradients after three updates and one application, and the penalty alone.
 * @param {Analysis} groups @param {ScriptModule} model
 */
async function gradientsAfter(groups, model) {
  const parameters = [...model.parameters()]
  const starts = parameters.map(([, parameter], k) =>
    Float32Array.from({ length: parameter.numel }, (_, i) => ((i * 7919 + k * 104729) % 1000) / 1000 - 0.5),
  )
  parameters.forEach(([, parameter], k) => {
    parameter.grad = Tensor.from(/** @type {Float32Array} */ (starts[k]), parameter.shape)
  })
  const iterations = 1e6
  const factory = growing({ reg: 1e-4, deltaReg: 1e-4, updateEvery: iterations })
  const regularizer = await factory.attach({ model, groups, iterations })
  for (let update = 0; update < 3; update++) await regularizer.update()
  await regularizer.apply()
  regularizer.dispose()
  return new Map(
    parameters.map(([name, parameter], k) => {
      const start = /** @type {Float32Array} */ (starts[k])
      return [name, { start, after: /** @type {Float32Array} */ (parameter.grad?.data()) }]
    }),
  )
}

/** @param {{ start: Float32Array, after: Float32Array }} got @param {Gradient} expected */
function difference({ start, after }, expected) {
  const delta = norm(after.map((g, i) => g - /** @type {number} */ (start[i])))
  const { grad_after: wanted } = expected
  const error = wanted
    ? Math.max(...wanted.map((g, i) => Math.abs(/** @type {number} */ (after[i]) - g) - 3e-8)) / 0.5
    : Math.abs(norm(after) / /** @type {number} */ (expected.grad_l2) - 1)
  const gap = Math.abs(delta - expected.delta_l2)
  const deltaError = gap === 0 ? 0 : gap / Math.max(delta, expected.delta_l2)
  // The penalty is read back from the gradient: what rounding does to that is no error of the penalty.
  const rounding = 1e-7 * norm(start)
  const equal = error <= TOLERANCE && (gap <= rounding || deltaError <= DELTA_TOLERANCE)
  return { error: Math.max(0, error), deltaError, equal }
}

/** @param {Float32Array} values */
function norm(values) {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0))
}

/** @param {string} why @param {string} name @param {string} where */
function note(why, name, where) {
  const models = intended.get(why) ?? new Map()
  intended.set(why, models.set(name, (models.get(name) ?? new Set()).add(where)))
}
