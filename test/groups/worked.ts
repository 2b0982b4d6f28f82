import { type Analysis, prune, scope, type Tensor } from 'espalier'
import { analyse } from 'espalier/analysis'
import { expect } from 'vitest'
import { network, type Shapes } from '../support/networks.js'

/** A network, and its groups as they must be, written down by hand: `kind size: tensor.dim …`. */
export interface Case {
  title: string
  source: string
  parameters: Shapes
  buffers?: () => Record<string, Tensor>
  inputs: () => Tensor[]
  groups: string[]
  /** `tensor.dim: reason` of frozen dimensions that the case is about. */
  frozen?: string[]
}

function summary(analysis: Analysis): string[] {
  return analysis.groups.map(({ kind, size, members }) => {
    const places = members.filter(({ role }) => role === 'parameter').map((m) => `${m.name}.${m.dim}`)
    return `${kind} ${size}: ${places.join(' ')}`
  })
}

/** The groups are those, and half of each can be cut. */
export async function checkCase({ source, parameters, buffers, inputs, groups, frozen = [] }: Case): Promise<void> {
  await scope(async () => {
    const model = await network(source.replace(/^ {4}/gm, ''), parameters, buffers?.())
    const recording = await model.record(inputs())
    const analysis = analyse(recording.record)
    recording.dispose()
    expect(analysis.broken).toEqual([])
    expect(summary(analysis).sort()).toEqual([...groups].sort())
    for (const line of frozen) {
      const [place, reason] = line.split(': ') as [string, string]
      const [name, dim] = place.split('.') as [string, string]
      const found = analysis.frozen.find((f) => f.name === name && f.dim === Number(dim))
      expect(
        found?.reasons.map(({ kind }) => kind),
        place,
      ).toContain(reason)
    }
    if (groups.length === 0) return
    const { plan } = await prune(model, { inputs: inputs(), ratio: () => 0.5 })
    expect(plan.removed.map(({ group }) => group)).toEqual(analysis.groups.map(({ id }) => id))
  })
}
