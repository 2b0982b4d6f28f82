import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { realHost } from '../../lib/libtorch/host.js'
import { findNative } from '../../lib/libtorch/native.js'
import { python } from '../support/python.js'

describe.skipIf(python === undefined)('the operators in Python', () => {
  it('load with torch.ops.load_library and agree with torch.optim', () => {
    const { ops } = findNative(realHost()).cores.get('2.13')!
    const script = fileURLToPath(new URL('check.py', import.meta.url))
    const { errors, noticed } = JSON.parse(execFileSync(python!, ['-W', 'ignore', script, ops], { encoding: 'utf8' }))
    // Coefficients are float32: a sum of two is rounded once.
    expect(Object.keys(errors)).toEqual(['apply', 'sgd', 'nesterov', 'adamw'])
    for (const [operator, error] of Object.entries(errors)) expect(error, operator).toBeLessThan(2e-7)
    expect(noticed).toBe(true)
  })
})
