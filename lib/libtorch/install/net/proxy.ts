import * as http from 'node:http'
import * as https from 'node:https'
import type { Socket } from 'node:net'
import { connectionFailure, NetworkFailure } from './failure.js'
import { type Network, watchdog } from './network.js'
import { bareHost, urlOf } from './url.js'

type Env = Network['env']

/**
 * The proxy that the environment names for a URL: HTTPS_PROXY or HTTP_PROXY, then ALL_PROXY, in either case of letters, unless
 * NO_PROXY has the host. Undefined: none.
 */
export function proxyFor(url: URL, env: Env): URL | undefined {
  const named = (name: string) => env[name] || env[name.toUpperCase()] || undefined
  const text = named(url.protocol === 'https:' ? 'https_proxy' : 'http_proxy') ?? named('all_proxy')
  if (text === undefined || isExcepted(url, named('no_proxy') ?? '')) return undefined
  const full = text.includes('://') ? text : `http://${text}`
  const proxy = urlOf(full)
  if (proxy === undefined || !/^https?:$/.test(proxy.protocol)) {
    const words =
      proxy === undefined ? 'is no address' : `is a ${proxy.protocol.slice(0, -1)} proxy; http and https are known`
    throw new NetworkFailure(`the proxy that the environment names ${words}`)
  }
  return proxy
}

/** `*`, a host, a domain with all below it (`.example.org` or `example.org`), each with or without a port. */
function isExcepted(url: URL, list: string): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true
      const [, name = entry, only] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? []
      if (only !== undefined && only !== port) return false
      const domain = name.replace(/^\*?\./, '')
      return domain === bareHost(url) || url.hostname === domain || url.hostname.endsWith(`.${domain}`)
    })
}

/** `user:password` of a URL as a header wants it; undefined when it has none. */
export function basicAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return `Basic ${Buffer.from(text).toString('base64')}`
}

export function proxyHeaders(proxy: URL): Record<string, string> {
  const authorization = basicAuthorization(proxy)
  return authorization === undefined ? {} : { 'proxy-authorization': authorization }
}

/** Asks a proxy for a connection to the host of `url` (CONNECT), over which TLS is spoken with that host. */
export async function openTunnel(proxy: URL, url: URL, network: Network): Promise<Socket> {
  const target = `${url.hostname}:${url.port || 443}`
  const request = (proxy.protocol === 'https:' ? https : http).request({
    host: bareHost(proxy),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...proxyHeaders(proxy) },
    agent: false,
    ...(network.ca === undefined ? {} : { ca: network.ca }),
    ...(network.signal === undefined ? {} : { signal: network.signal }),
  })
  const late = new NetworkFailure(`the proxy ${proxy.host} says nothing for ${network.quiet / 1000} s`, {
    passes: true,
    unanswered: true,
  })
  const watch = watchdog(network.quiet, () => request.destroy(late))
  try {
    return await new Promise((done, fail) => {
      request.once('error', fail)
      request.once('connect', (answer, socket) => {
        if (answer.statusCode === 200) return done(socket)
        socket.destroy()
        const passes = (answer.statusCode ?? 0) >= 500
        const words = `the proxy ${proxy.host} refuses ${target}: HTTP ${answer.statusCode}`
        fail(new NetworkFailure(words, { passes, unanswered: true }))
      })
      request.end()
    })
  } catch (error) {
    throw connectionFailure(proxy, error, true)
  } finally {
    watch.stop()
  }
}
