import { shown } from './url.js'

/** Why one request came to nothing. */
export class NetworkFailure extends Error {
  /** Asking again may help: a broken connection, a server in trouble. */
  readonly passes: boolean
  /** How long the server wants us to wait, ms. */
  readonly wait: number | undefined
  /** No answer came: what the server has nobody knows, and its other files can't be had either. */
  readonly unanswered: boolean

  constructor(message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.passes = options.passes ?? false
    this.wait = options.wait
    this.unanswered = options.unanswered ?? false
  }
}

interface FailureOptions {
  readonly passes?: boolean
  readonly wait?: number | undefined
  readonly unanswered?: boolean
  readonly cause?: unknown
}

/** What the system says of connections that another try may bring up. A name or a certificate that is wrong stays wrong. */
const PASSING = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'ETIMEDOUT',
  'EPIPE',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'EAI_AGAIN',
])

/** An error of a socket or of Node's HTTP parser, before an answer came (`unanswered`) or in its midst. */
export function connectionFailure(url: URL, cause: unknown, unanswered = false): NetworkFailure {
  if (cause instanceof NetworkFailure) return cause
  const code = String((cause as NodeJS.ErrnoException).code ?? '')
  // Of a host with several addresses, each one's own error; the sum of them has no words.
  const first = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause
  const words = first instanceof Error ? first.message : String(first)
  const passes = PASSING.has(code) || code.startsWith('HPE_')
  return new NetworkFailure(`${url.host}: ${words}`, { passes, unanswered, cause })
}

/** An answer that is no file. */
export function statusFailure(url: URL, status: number, retryAfter: string | undefined): NetworkFailure {
  const passes = status >= 500 || status === 429 || status === 408
  return new NetworkFailure(`${shown(url)}: HTTP ${status}`, { passes, wait: passes ? waitOf(retryAfter) : undefined })
}

/** Seconds or a date; no longer than a person would wait. */
function waitOf(retryAfter: string | undefined): number | undefined {
  if (retryAfter === undefined) return undefined
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 60) * 1000 : undefined
}
