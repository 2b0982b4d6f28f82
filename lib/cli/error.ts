import { EspalierError } from '../base/errors.js'

/** An error as a person wants to read it: what, its code, the details, what to do. Other errors keep their stack. */
export function formatError(error: unknown): string {
  if (!(error instanceof EspalierError)) return error instanceof Error ? (error.stack ?? error.message) : String(error)
  const parts = [`espalier: ${error.message} (${error.code})`]
  const detail = withoutStack(error.detail ?? '')
  if (!error.message.includes(detail)) parts.push(indent(detail))
  if (error.hint !== undefined) parts.push('What helps:', indent(error.hint))
  return parts.join('\n')
}

export function printError(error: unknown): void {
  console.error(formatError(error))
}

/** Without the C++ frames that LibTorch puts behind its words; --json and `detail` in a program have them. */
function withoutStack(detail: string): string {
  const lines = detail.split('\n').filter((line) => !/^(?:Exception raised from |frame #\d)/.test(line))
  return lines.join('\n').trimEnd()
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ')
}
