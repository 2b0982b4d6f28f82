import type { SecureContextOptions } from 'node:tls'

/** How the network is reached, and how much is borne of it. */
export interface Network {
  /** Names the proxies. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal | undefined
  /** How long nothing may come: no connection, no answer, no byte; ms. */
  readonly quiet: number
  /** How many tries in a row may fail without a new byte. */
  readonly tries: number
  /** Between the first two tries, ms; it doubles. */
  readonly pause: number
  /** Instead of the certificates that Node knows; for tests. */
  readonly ca?: SecureContextOptions['ca']
}

export const USUAL = { quiet: 20_000, tries: 5, pause: 500 } as const

/** Calls `end` once `touch` was not called for `ms`. */
export function watchdog(ms: number, end: () => void): { readonly touch: () => void; readonly stop: () => void } {
  const timer = setTimeout(end, ms)
  return { touch: () => void timer.refresh(), stop: () => clearTimeout(timer) }
}
