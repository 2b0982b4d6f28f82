import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

describe('what a program prints', () => {
  const program = fileURLToPath(new URL('print-program.mjs', import.meta.url))

  it('is seen in the user’s own runs, and never while the model is recorded, verified or measured', () => {
    const told = execFileSync(process.execPath, [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    expect(told).toBe('mine\nhello\nquiet\ndone\n')
  })
})
