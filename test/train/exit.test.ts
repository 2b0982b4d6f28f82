import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('exit-program.mjs', import.meta.url))

function run(ending: string) {
  const start = performance.now()
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, ending], {
    ...{ encoding: 'utf8', timeout: 40_000 },
  })
  return { status, signal, stdout, stderr, seconds: (performance.now() - start) / 1000 }
}

describe('while a training runs', () => {
  it('process.exit ends the process at once, with its code', () => {
    const { status, signal, seconds, stderr } = run('exit')
    expect({ status, signal, stderr }).toEqual({ status: 3, signal: null, stderr: '' })
    expect(seconds).toBeLessThan(20)
  })

  it('an uncaught error ends the process with code 1 and its message', () => {
    const { status, signal, stderr } = run('throw')
    expect({ status, signal }).toEqual({ status: 1, signal: null })
    expect(stderr).toContain('not caught')
  })

  it('terminate() ends the worker, and the process goes on to its own end', () => {
    const { status, signal, stdout, stderr } = run('terminate')
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    expect(stdout.trim().split('\n').sort()).toEqual(['exited', 'terminated'])
  })
})
