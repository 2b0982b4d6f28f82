import * as top from 'espalier'
import * as analysis from 'espalier/analysis'
import * as torch from 'espalier/torch'
import { describe, expect, it } from 'vitest'

/** What most programs need: a name is added here only with a reason. */
const TOP = `
  ERROR_CODES EspalierError Prunable Random Run ScriptModule Tensor adamw batchCount batches bnScale carryState constantL2
  criteria coverageLines define diffManifests draw evaluate expandTensors explain fading fromAsyncIterable frozenTable greg1 greg2 groupL1 groupL2 groupLasso
  groupsTable growing imageFolder inMemory jsonLines keep load loadLibtorch loadManifest loadUntrusted losses lr makeManifest manualSeed
  measureLatency metrics optimizeForInference prune randomShift readNpy readNpz readSafetensors readTable replay saveManifest scope sensitivity setMemoryLimit setThreads sgd shrinkTensors shuffle sparsify split subset tokenFile train
`

describe('the face of the package', () => {
  it('is this list', () => {
    expect(Object.keys(top).sort()).toEqual(TOP.trim().split(/\s+/).sort())
  })

  it('has the rest in two places, which agree with it and with one another', () => {
    for (const [name, value] of [...Object.entries(analysis), ...Object.entries(torch)]) {
      for (const place of [top, analysis, torch] as Record<string, unknown>[]) {
        if (name in place) expect(place[name], name).toBe(value)
      }
    }
  })
})
