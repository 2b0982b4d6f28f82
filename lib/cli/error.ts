import { EspalierError } from '../base/errors.js'

/** An error as a person wants to read it: what, its code, the details, what to do. Other errors keep their stack. */
export function formatError(error: unknown): string {
  if (!(error instanceof EspalierError)) return error instanceof Error ? (error.stack ?? error.message) : String(error)
  const parts = [`espalier: ${error.message} (${error.code})`]
  if (error.detail !== undefined) parts.push(indent(error.detail))
  if (error.hint !== undefined) parts.push('What helps:', indent(error.hint))
  return parts.join('\n')
}

export function printError(error: unknown): void {
  console.error(formatError(error))
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ')
}
