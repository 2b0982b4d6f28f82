import * as http from 'node:http'
import * as https from 'node:https'
import { isIP } from 'node:net'
import * as tls from 'node:tls'
import { connectionFailure, NetworkFailure } from './failure.js'
import { type Network, watchdog } from './network.js'
import { basicAuthorization, openTunnel, proxyFor, proxyHeaders } from './proxy.js'
import { bareHost, losesEncryption, shown, urlOf } from './url.js'

const MAX_REDIRECTS = 5

export interface Answer {
  readonly message: http.IncomingMessage
  /** Where it came from in the end. */
  readonly url: URL
}

/** GET, through the proxy and the redirects that there are. The caller reads or destroys the message. */
export async function get(start: URL, headers: http.OutgoingHttpHeaders, network: Network): Promise<Answer> {
  let url = start
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const message = await ask(url, headers, network)
    if (![301, 302, 303, 307, 308].includes(message.statusCode ?? 0)) return { message, url }
    message.destroy()
    url = redirected(url, message.headers.location)
  }
  throw new NetworkFailure(`${shown(start)} is redirected more than ${MAX_REDIRECTS} times`)
}

function redirected(from: URL, location: string | undefined): URL {
  const to = location === undefined ? undefined : urlOf(location, from)
  if (to === undefined) throw new NetworkFailure(`${shown(from)} redirects to no address`)
  if (!/^https?:$/.test(to.protocol)) throw new NetworkFailure(`${shown(from)} redirects to ${to.protocol}, not HTTP`)
  if (losesEncryption(from, to)) {
    throw new NetworkFailure(`${shown(from)} redirects from https to ${shown(to)}, which is not encrypted`)
  }
  // A password is for the server that it was given for, and for no other.
  if (to.origin === from.origin && to.username === '') {
    to.username = from.username
    to.password = from.password
  }
  return to
}

/** One request, until its headers are there. */
async function ask(url: URL, headers: http.OutgoingHttpHeaders, network: Network): Promise<http.IncomingMessage> {
  const proxy = proxyFor(url, network.env)
  const { module, options } = await route(url, proxy, network)
  const authorization = basicAuthorization(url)
  const request = module.request({
    ...options,
    method: 'GET',
    headers: {
      host: url.host,
      'user-agent': 'espalier',
      // A file that is packed once more has another length and another sum.
      'accept-encoding': 'identity',
      ...(authorization === undefined ? {} : { authorization }),
      ...(options.headers as http.OutgoingHttpHeaders | undefined),
      ...headers,
    },
    ...(network.ca === undefined ? {} : { ca: network.ca }),
    ...(network.signal === undefined ? {} : { signal: network.signal }),
  })
  const late = new NetworkFailure(`${url.host} says nothing for ${network.quiet / 1000} s`, {
    passes: true,
    unanswered: true,
  })
  const watch = watchdog(network.quiet, () => request.destroy(late))
  try {
    return await new Promise((done, fail) => {
      request.once('error', fail)
      request.once('response', done)
      request.end()
    })
  } catch (error) {
    throw connectionFailure(url, error, true)
  } finally {
    watch.stop()
    // What goes wrong from now on reaches the reader of the message; unheard it would end the process.
    request.on('error', () => {})
  }
}

/** Straight, through a tunnel (https), or as a proxy's own request (http). */
async function route(
  url: URL,
  proxy: URL | undefined,
  network: Network,
): Promise<{ module: typeof http | typeof https; options: https.RequestOptions }> {
  const module = url.protocol === 'https:' ? https : http
  const path = url.pathname + url.search
  if (proxy === undefined) return { module, options: { host: bareHost(url), port: url.port, path, agent: false } }
  if (module === http) {
    const options = { host: bareHost(proxy), port: proxy.port, path: `${url.origin}${path}`, agent: false as const }
    return { module: proxy.protocol === 'https:' ? https : http, options: { ...options, headers: proxyHeaders(proxy) } }
  }
  const socket = await openTunnel(proxy, url, network)
  const host = bareHost(url)
  const secure = {
    socket,
    ...(isIP(host) ? { host } : { servername: host }),
    ...(network.ca ? { ca: network.ca } : {}),
  }
  return { module, options: { host, path, createConnection: () => tls.connect(secure) } }
}
