import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { operatorOf } from '../../lib/operators/catalogue.js'

const source = (file: string) => readFileSync(new URL(`../../native/script/${file}`, import.meta.url), 'utf8')
const unknown = (names: readonly string[]) => names.filter((name) => operatorOf(`aten::${name}`) === undefined)

/** What an operator of the catalogue is made of inside LibTorch: these have kernels, and no program names them. */
const INSIDE: Readonly<Record<string, string>> = {
  log_sigmoid_forward: 'log_sigmoid',
  native_dropout: 'dropout',
  convolution_overrideable: 'convolution',
  native_batch_norm: 'batch_norm',
  _native_batch_norm_legit: 'batch_norm',
  native_layer_norm: 'layer_norm',
  native_group_norm: 'group_norm',
  _adaptive_avg_pool2d: 'adaptive_avg_pool2d',
  _adaptive_avg_pool3d: 'adaptive_avg_pool3d',
}
/** Only a number comes out of them. */
const NUMBERS = ['trace']

describe('what the native part knows of operators', () => {
  it('arguments that are a mode belong to operators of the catalogue', () => {
    const list = /kModeArgument = \{([^;]*)\};/.exec(source('graph/repair.cc'))?.[1] ?? ''
    const names = [...list.matchAll(/\{"aten::(\w+)"/g)].map(([, name]) => name as string)
    expect(names.length).toBeGreaterThan(10)
    expect(unknown(names)).toEqual([])
  })

  it('kernels for shapes alone do, too', () => {
    const list = /kKernels\[\] = \{([\s\S]*?)\n\};/.exec(source('record/shape_kernels.cc'))?.[1] ?? ''
    const names = [...list.matchAll(/"([^"]*)"/g)].flatMap(([, text]) => (text as string).trim().split(/\s+/))
    const plain = [...new Set(names.map((name) => name.replace(/\..*/, '')))]
    expect(plain.length).toBeGreaterThan(40)
    expect(unknown(plain.filter((name) => !NUMBERS.includes(name)).map((name) => INSIDE[name] ?? name))).toEqual([])
  })
})
