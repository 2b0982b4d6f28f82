import { EspalierError, explain } from 'espalier'
import { analyse } from 'espalier/analysis'
import { describe, expect, it } from 'vitest'
import { RecordBuilder } from '../support/build.js'

/** A block with a shortcut: stem -> conv1 -> relu -> conv2 -> + stem -> topk over the channels of another branch. */
function block() {
  const b = new RecordBuilder()
  const stem = b.conv('stem', b.input(2, 3, 4, 4), 8)
  const inner = b.unary('relu', b.norm('bn', b.conv('conv1', stem, 6)))
  const sum = b.binary('add', b.conv('conv2', inner, 8), stem)
  const odd = b.unary('mystery', b.unary('tanh', b.conv('side', sum, 5)))
  return analyse(b.record(b.conv('head', sum, 4), b.conv('last', odd, 3)))
}

describe('explain', () => {
  it('gives the operators between a dimension and every other of its group', () => {
    const [explanation] = explain(block(), { parameter: 'conv1.weight', dim: 0 })
    expect(explanation).toMatchObject({ parameter: 'conv1.weight', dim: 0, size: 6, reasons: [] })
    const conv = (scope: string) => ({ operator: 'aten::conv2d', scope })
    const norm = { operator: 'aten::batch_norm', scope: 'bn' }
    expect(explanation?.chains).toEqual([
      { to: 'bn.weight[0]', links: [conv('conv1'), norm] },
      { to: 'bn.bias[0]', links: [conv('conv1'), norm] },
      { to: 'bn.running_mean[0]', links: [conv('conv1'), norm] },
      { to: 'bn.running_var[0]', links: [conv('conv1'), norm] },
      { to: 'conv2.weight[1]', links: [conv('conv1'), norm, { operator: 'aten::relu', scope: '' }, conv('conv2')] },
    ])
  })

  it('says in words what goes together, chains that are the same in one line', () => {
    const analysis = block()
    const id = analysis.groups.findIndex(({ size }) => size === 6)
    expect(explain(analysis, { group: id }).map(({ text }) => text)).toEqual([
      [
        `conv1.weight[0], 6 wide, is cut with group ${id} (6 channels)`,
        '  with bn.weight[0], bn.bias[0], bn.running_mean[0], bn.running_var[0] by aten::conv2d (conv1), aten::batch_norm (bn)',
        '  with conv2.weight[1] by aten::conv2d (conv1), aten::batch_norm (bn), aten::relu, aten::conv2d (conv2)',
      ].join('\n'),
    ])
  })

  it('leads from a frozen dimension to what froze it', () => {
    const [rows] = explain(block(), { parameter: 'side.weight', dim: 0 })
    expect(rows?.groups).toEqual([])
    expect(rows?.reasons).toEqual([{ kind: 'unknown operator', operator: 'aten::mystery', scope: '' }])
    expect(rows?.chains).toEqual([
      {
        to: 'unknown operator',
        links: [
          { operator: 'aten::conv2d', scope: 'side' },
          { operator: 'aten::tanh', scope: '' },
          { operator: 'aten::mystery', scope: '' },
        ],
      },
    ])
    expect(rows?.text).toBe(
      'side.weight[0], 5 wide, stays: unknown operator aten::mystery\n' +
        '  by aten::conv2d (side), aten::tanh, aten::mystery: unknown operator',
    )
  })

  it('leads to the ends of the model', () => {
    const end = (parameter: string, dim: number) => explain(block(), { parameter, dim })[0]?.chains
    expect(end('head.weight', 0)).toEqual([
      { to: 'model output', links: [{ operator: 'aten::conv2d', scope: 'head' }] },
    ])
    expect(end('stem.weight', 1)).toEqual([{ to: 'model input', links: [{ operator: 'aten::conv2d', scope: 'stem' }] }])
  })

  it('explains every parameter of a scope', () => {
    const places = explain(block(), { scope: 'bn' }).map(({ parameter, dim }) => `${parameter}[${dim}]`)
    expect(places).toEqual(['bn.weight[0]', 'bn.bias[0]'])
  })

  it.each([
    [{ parameter: 'nowhere' }, /no parameter 'nowhere'/],
    [{ parameter: 'bn.weight', dim: 3 }, /no parameter 'bn.weight' with a dimension 3/],
    [{ scope: 'conv' }, /no parameters in scope 'conv'/],
    [{ group: 99 }, /no group 99/],
  ])('refuses %j', (question, words) => {
    const ask = () => explain(block(), question)
    expect(ask).toThrow(EspalierError)
    expect(ask).toThrow(words)
  })
})
