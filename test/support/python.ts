import { findPython } from '../../scripts/setup/python-env.mjs'

/**
 * The Python with torch that checks what we write, for `describe.skipIf(python === undefined)`. Without it the checks
 * are skipped and the reason is printed; in CI there must be one.
 */
export const python = interpreter()

function interpreter(): string | undefined {
  const found = findPython()
  if (found.python !== undefined) return found.python
  if (process.env.CI) throw new Error(found.reason)
  console.warn(`Python checks are skipped: ${found.reason}`)
  return undefined
}
