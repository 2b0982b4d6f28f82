import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'

export type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void

export interface Loopback {
  readonly url: string
  readonly port: number
  /** Every request so far, as it came. */
  readonly requests: { readonly url: string; readonly headers: http.IncomingHttpHeaders }[]
  /** Of the handlers given, each answers one request, the last one all that follow. */
  answer(...handlers: Handler[]): void
  close(): Promise<void>
}

/** A server on this machine that answers as a test wants it to. */
export async function loopback(certificate?: { key: string; cert: string }): Promise<Loopback> {
  let handlers: Handler[] = []
  const requests: Loopback['requests'] = []
  const listener: http.RequestListener = (request, response) => {
    requests.push({ url: request.url ?? '', headers: request.headers })
    const handler = handlers.length > 1 ? handlers.shift() : handlers[0]
    if (handler === undefined) response.writeHead(404).end()
    else handler(request, response)
  }
  const server = certificate === undefined ? http.createServer(listener) : https.createServer(certificate, listener)
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    requests,
    answer: (...next) => {
      handlers = next
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

export interface Serving {
  readonly etag?: string
  /** Bytes after which the connection breaks off. */
  readonly breakAt?: number
  /** Bytes after which nothing comes any more. */
  readonly stallAt?: number
  /** What Content-Length says instead of the truth. */
  readonly length?: number
  readonly ignoreRange?: boolean
  /** Without Content-Length. */
  readonly chunked?: boolean
}

/** Serves a file as a web server does (Range, If-Range, ETag), or not quite so. */
export const serving =
  (data: Buffer, how: Serving = {}): Handler =>
  (request, response) => {
    const from = startOf(request, how)
    if (from >= data.length && from > 0) {
      response.writeHead(416, { 'content-range': `bytes */${data.length}` }).end()
      return
    }
    const body = data.subarray(from)
    response.writeHead(from > 0 ? 206 : 200, {
      ...(how.chunked ? {} : { 'content-length': how.length ?? body.length }),
      ...(how.etag === undefined ? {} : { etag: how.etag }),
      ...(from > 0 ? { 'content-range': `bytes ${from}-${data.length - 1}/${data.length}` } : {}),
    })
    const end = how.breakAt ?? how.stallAt ?? body.length
    response.write(body.subarray(0, end), () => {
      const breaks = how.breakAt !== undefined || (how.length ?? 0) > body.length
      if (breaks) response.socket?.destroy()
      else if (how.stallAt === undefined) response.end()
    })
  }

function startOf(request: http.IncomingMessage, { etag, ignoreRange }: Serving): number {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
  const condition = request.headers['if-range']
  if (range === null || ignoreRange || (condition !== undefined && condition !== etag)) return 0
  return Number(range[1])
}

export const status =
  (code: number, headers: http.OutgoingHttpHeaders = {}): Handler =>
  (_request, response) => {
    response.writeHead(code, headers).end()
  }

export const redirect = (location: string, code = 302): Handler => status(code, { location })

export const text =
  (body: string, type: string): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': type }).end(body)
  }
