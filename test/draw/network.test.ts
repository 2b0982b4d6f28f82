import { fileURLToPath } from 'node:url'
import { load, Prunable, Tensor } from 'espalier'
import { analyse, describePlan, unitCount } from 'espalier/analysis'
import { describe, expect, it } from 'vitest'
import { pictureOf } from '../../lib/draw/boxes.js'
import { boxesOf, type Fold, foldsOf, type Part } from '../../lib/draw/fold.js'
import { type NetworkPart, networkOf } from '../../lib/draw/network/data.js'
import { RecordBuilder } from '../support/build.js'

/** A stem, `blocks` residual blocks of two convolutions each, and a head. */
function residual(blocks: number) {
  const b = new RecordBuilder()
  let x = b.conv('stem', b.input(2, 3, 4, 4), 8)
  for (let k = 0; k < blocks; k++) {
    x = b.binary('add', b.conv(`layer.${k}.conv2`, b.unary('relu', b.conv(`layer.${k}.conv1`, x, 6)), 8), x)
  }
  return analyse(b.record(b.conv('head', x, 4)))
}

/** Of a model of the examples, which takes pictures of 8 x 8. */
async function analysisOf(name: string) {
  const model = await load(fileURLToPath(new URL(`../../examples/data/${name}`, import.meta.url)))
  const { analysis } = await Prunable.of(model, { inputs: [Tensor.zeros([1, 1, 8, 8])] })
  model.dispose()
  return analysis
}

const named = (part: Part): unknown => (typeof part === 'number' ? part : [part.name, part.alike, part.parts.length])

describe('what folds', () => {
  it('is a module of several boxes; modules that follow each other and are alike are one', () => {
    const picture = pictureOf(residual(3), new Uint8Array(0))
    const root = foldsOf(picture)
    const alike = root.parts.find((part): part is Fold => typeof part === 'object')!
    expect(named(alike)).toEqual(['layer.0 … layer.2', 3, 3])
    expect(alike.parts.map(named)).toEqual([
      ['layer.0', 1, 2],
      ['layer.1', 1, 2],
      ['layer.2', 1, 2],
    ])
  })

  it('holds every box once, and long lists in parts of 40 at most', () => {
    for (const blocks of [1, 2, 50, 300]) {
      const picture = pictureOf(residual(blocks), new Uint8Array(0))
      const root = foldsOf(picture)
      expect(boxesOf(root).sort((a, b) => a - b)).toEqual(picture.boxes.map(({ id }) => id))
      const longest = (part: Part): number =>
        typeof part === 'number' ? 1 : Math.max(part.parts.length, ...part.parts.map(longest))
      expect(longest(root)).toBeLessThanOrEqual(40)
    }
  })
})

describe('the network as data', () => {
  it('counts what a fold has, before and after', () => {
    const analysis = residual(2)
    const removed = new Uint8Array(unitCount(analysis)).fill(1, 0, 4)
    const plan = describePlan(analysis, removed)
    const before = networkOf(analysis)
    const { root, boxes, arrows } = networkOf(analysis, plan)
    const block = (network: NetworkPart) => network.parts.find((part): part is NetworkPart => typeof part === 'object')!
    // Two blocks of 8 x 6 and 6 x 8 weights; of the 8 channels that they share 4 are gone.
    const count = (width: number) => 2 * (2 * width * 6)
    const words = (n: number) =>
      new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 }).format(n)
    expect(block(before.root).lines).toContain(`${words(count(8))} parameters`)
    expect(block(root).lines).toContain(`${words(count(8))} → ${words(count(4))} parameters`)
    // The others, relu and add, are written in the root.
    expect(block(root).lines.slice(0, 2)).toEqual(['layer.0 … layer.1', '2 alike, 2 operators each'])
    expect(boxes.some(({ lines }) => lines.includes('[2, 8 → 4, 4, 4]'))).toBe(true)
    expect(arrows.every(([from, to]) => from < to && to < boxes.length)).toBe(true)
  })

  it('has every group of a model, also those that share boxes with others', async () => {
    const analysis = await analysisOf('vit.script.pt')
    const heads = analysis.groups.filter(({ kind }) => kind === 'heads').map(({ id }) => id)
    const { boxes, root } = networkOf(analysis)
    const known = new Set(boxes.flatMap(({ groups }) => groups))
    expect(heads).toHaveLength(3)
    expect([...known].sort((a, b) => a - b)).toEqual(analysis.groups.map(({ id }) => id))
    const units = analysis.groups.reduce((all, { size }) => all + size, 0)
    expect(root.lines).toContain(`${analysis.groups.length} groups: ${units} units`)
  })

  it('has every module that runs, by its whole name', async () => {
    const analysis = await analysisOf('resnet8.script.pt')
    const found = new Set(networkOf(analysis).boxes.flatMap(({ scopes }) => scopes))
    const run = new Set(analysis.record.ops.filter((op) => analysis.live.has(op)).map(({ scope }) => scope))
    run.delete('')
    expect(['layer1.0.bn1', 'layer3.0.bn2', 'layer2.0.shortcut.1'].filter((name) => !found.has(name))).toEqual([])
    expect([...run].filter((name) => !found.has(name))).toEqual([])
  })
})
