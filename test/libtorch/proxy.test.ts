import * as http from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Network } from '../../lib/libtorch/install/net/network.js'
import { proxyFor } from '../../lib/libtorch/install/net/proxy.js'
import { retryingText } from '../../lib/libtorch/install/net/text.js'
import { makeCertificate } from './certificate.js'
import { type Loopback, loopback, redirect, text } from './loopback.js'

const certificate = makeCertificate()

/** A proxy that tunnels and passes requests on, unless `refusal` says with which status not. */
async function startProxy(refusal?: number) {
  const seen: { method: string; target: string; authorization: string | undefined }[] = []
  const note = (request: http.IncomingMessage) =>
    seen.push({
      method: request.method ?? '',
      target: request.url ?? '',
      authorization: request.headers['proxy-authorization'],
    })
  const server = http.createServer((request, response) => {
    note(request)
    http.get(request.url ?? '', (answer) => answer.pipe(response))
  })
  server.on('connect', (request, socket) => {
    note(request)
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal} No\r\n\r\n`)
    const [host = '', port] = (request.url ?? '').split(':')
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    for (const end of [socket, onward]) end.on('error', () => {})
  })
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done))
  return { seen, server, port: (server.address() as AddressInfo).port }
}

let secure: Loopback
let plain: Loopback
let proxy: Awaited<ReturnType<typeof startProxy>>
beforeEach(async () => {
  ;[secure, plain, proxy] = await Promise.all([loopback(certificate), loopback(), startProxy()])
  for (const server of [secure, plain]) server.answer(text('hello', 'text/plain'))
})
afterEach(async () => {
  proxy.server.close()
  await Promise.all([secure.close(), plain.close()])
})

async function read(url: string, env: Network['env'], ca: string | undefined = certificate.cert): Promise<string> {
  const network: Network = { env, signal: undefined, quiet: 5000, tries: 1, pause: 1, ...(ca === '' ? {} : { ca }) }
  return (await retryingText(new URL(url), {}, network, { say: () => {}, status: () => {} })).text
}

describe('https', () => {
  it('is read straight where no proxy is named', async () => {
    expect(await read(secure.url, {})).toBe('hello')
    expect(proxy.seen).toEqual([])
  })
  it('goes through a tunnel of HTTPS_PROXY', async () => {
    expect(await read(secure.url, { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })).toBe('hello')
    expect(proxy.seen).toEqual([{ method: 'CONNECT', target: `127.0.0.1:${secure.port}`, authorization: undefined }])
  })
  it("gives the proxy's password to the proxy alone", async () => {
    await read(secure.url, { https_proxy: `http://me:p%40ss@127.0.0.1:${proxy.port}` })
    expect(proxy.seen[0]!.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`)
    expect(secure.requests[0]!.headers['proxy-authorization']).toBeUndefined()
  })
  it('with a certificate that nobody has signed is refused, with a proxy and without', async () => {
    await expect(read(secure.url, {}, '')).rejects.toThrow(/self-signed/)
    await expect(read(secure.url, { HTTPS_PROXY: `127.0.0.1:${proxy.port}` }, '')).rejects.toThrow(/self-signed/)
  })
  it('may be redirected to http on this machine, and nowhere else', async () => {
    secure.answer(redirect(plain.url))
    expect(await read(secure.url, {})).toBe('hello')
    secure.answer(redirect('http://example.invalid/file'))
    await expect(read(secure.url, {})).rejects.toThrow(/redirects from https to http:.*which is not encrypted$/)
  })
})

it('http is asked of HTTP_PROXY by its whole address', async () => {
  expect(await read(`${plain.url}/a?b=c`, { HTTP_PROXY: `http://me:pw@127.0.0.1:${proxy.port}` })).toBe('hello')
  expect(proxy.seen).toEqual([
    { method: 'GET', target: `${plain.url}/a?b=c`, authorization: `Basic ${Buffer.from('me:pw').toString('base64')}` },
  ])
})
it('a proxy that refuses is named with its answer', async () => {
  const refusing = await startProxy(407)
  await expect(read(secure.url, { HTTPS_PROXY: `http://me:pw@127.0.0.1:${refusing.port}` })).rejects.toThrow(
    `the proxy 127.0.0.1:${refusing.port} refuses 127.0.0.1:${secure.port}: HTTP 407`,
  )
  refusing.server.close()
})
it('a proxy that is not there is named', async () => {
  await expect(read(secure.url, { HTTPS_PROXY: 'http://127.0.0.1:1' })).rejects.toThrow(/127\.0\.0\.1:1.*ECONNREFUSED/)
})
it('a kind of proxy that is not known is an error', async () => {
  await expect(read(secure.url, { ALL_PROXY: 'socks5://127.0.0.1:1' })).rejects.toThrow(/is a socks5 proxy/)
})

describe('the environment', () => {
  const of = (url: string, env: Network['env']) => proxyFor(new URL(url), env)?.host
  it.each([
    ['https://a.org', { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://q:1' }, 'p:1'],
    ['http://a.org', { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://q:1' }, 'q:1'],
    ['https://a.org', { https_proxy: 'http://p:1', HTTPS_PROXY: 'http://q:1' }, 'p:1'],
    ['https://a.org', { ALL_PROXY: 'http://r:1' }, 'r:1'],
    ['https://a.org', { HTTPS_PROXY: 'p:1' }, 'p:1'],
    ['https://a.org', { HTTPS_PROXY: '' }, undefined],
    ['https://a.org', {}, undefined],
  ])('for %s with %o names %s', (url, env, proxy) => {
    expect(of(url, env)).toBe(proxy)
  })
  it.each([
    ['*', true],
    ['a.org', true],
    ['.a.org', true],
    ['x.org, a.org', true],
    ['A.ORG', true],
    ['a.org:443', true],
    ['a.org:8443', false],
    ['b.a.org', false],
    ['aa.org', false],
    ['org', true],
  ])('NO_PROXY=%s excepts https://a.org: %s', (list, isExcepted) => {
    expect(of('https://a.org', { HTTPS_PROXY: 'http://p:1', NO_PROXY: list })).toBe(isExcepted ? undefined : 'p:1')
  })
  it('NO_PROXY excepts what is below a domain, and addresses', () => {
    const env = { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'a.org,127.0.0.1,[::1]:8443' }
    expect(of('https://b.a.org', env)).toBeUndefined()
    expect(of('https://127.0.0.1:8443', env)).toBeUndefined()
    expect(of('https://[::1]:8443', env)).toBeUndefined()
    expect(of('https://[::1]', env)).toBe('p:1')
    expect(of('https://[::1]', { ...env, NO_PROXY: '::1' })).toBeUndefined()
  })
})
