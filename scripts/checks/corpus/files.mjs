// A corpus folder: models NAME.FORM.pt with example inputs and outputs in io/, and, where there is one, a manifest.json
// with what another pruner answers.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @typedef {{ root: string, n: number, touches_output: boolean, members: PeerMember[] }} PeerGroup
 * @typedef {{ layer: string, kind: string, fn: 'in' | 'out', n: number, idx?: number[], root_idx?: number[] }} PeerMember
 * @typedef {{ ok: boolean, error?: string, params_before?: number, params_after?: number,
 *   masked_equivalence?: { rel?: number | null, cross_channel_norms?: number | null } }} PeerPruning
 * @typedef {{ graph_ok: boolean, error?: string, groups?: PeerGroup[], local?: PeerPruning, global?: PeerPruning }} Peer
 *
 * @typedef {object} CorpusFile
 * @property {string} file      name within the folder, `tv_resnet18.trace.pt`
 * @property {string} name      model, `tv_resnet18`
 * @property {string} form      `trace`, `script` or `trace_train`
 * @property {string} path
 * @property {{ header: string, data: string }} io
 * @property {string} [reference]  a trace taken in train mode is measured by this trace taken in eval mode
 * @property {Peer} [peer]
 *
 * @typedef {{ shape: number[], dtype: keyof typeof ARRAYS, offset: number }} Entry
 */

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
}

/**
 * Every model file of the folder, by name.
 * @param {string} folder
 * @returns {CorpusFile[]}
 */
export function listCorpus(folder) {
  const manifest = join(folder, 'manifest.json')
  /** @type {{ name: string, peer?: Peer }[]} */
  const models = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).models : []
  const peers = new Map(models.map(({ name, peer }) => [name, peer]))
  const names = readdirSync(folder).filter((file) => file.endsWith('.pt'))
  return names.sort().map((file) => {
    const [name = '', form = ''] = file.split('.')
    const io = join(folder, 'io', name)
    const reference =
      form === 'trace_train' && names.includes(`${name}.trace.pt`) ? join(folder, `${name}.trace.pt`) : ''
    const peer = peers.get(name)
    return {
      file,
      name,
      form,
      path: join(folder, file),
      io: { header: `${io}.json`, data: `${io}.bin` },
      ...(reference && { reference }),
      ...(peer && { peer }),
    }
  })
}

/**
 * The example inputs, as typed arrays.
 * @param {{ header: string, data: string }} io
 */
export function readInputs(io) {
  /** @type {Entry[]} */
  const entries = JSON.parse(readFileSync(io.header, 'utf8')).inputs
  const bytes = readFileSync(io.data)
  return entries.map(({ shape, dtype, offset }) => {
    const ArrayType = ARRAYS[dtype]
    if (ArrayType === undefined) throw new Error(`${io.header}: an input has dtype ${dtype}`)
    const length = shape.reduce((a, b) => a * b, 1) * ArrayType.BYTES_PER_ELEMENT
    const data = new ArrayType(bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + length))
    return { data, shape, dtype }
  })
}
