/** An address, whole or relative to a base; undefined for what is none. */
export function urlOf(text: string, base?: URL): URL | undefined {
  return URL.canParse(text, base?.href) ? new URL(text, base) : undefined
}

/** One for HTTP(S); undefined for any other. */
export function webUrlOf(text: string): URL | undefined {
  const url = urlOf(text)
  return url !== undefined && /^https?:$/.test(url.protocol) ? url : undefined
}

/** A URL for people: without a password, and without a query, which may hold a signature. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`
}

/** Without the brackets of an IPv6 address, as sockets want it. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

/** Whether a way that was encrypted goes on without; on the machine itself nobody listens. */
export function losesEncryption(from: URL, to: URL): boolean {
  const isLoopback = to.hostname === 'localhost' || to.hostname === '[::1]' || /^127(\.\d+){3}$/.test(to.hostname)
  return from.protocol === 'https:' && to.protocol === 'http:' && !isLoopback
}
