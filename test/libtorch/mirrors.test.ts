import { describe, expect, it } from 'vitest'
import { namedMirror, pipMirror } from '../../lib/libtorch/install/mirrors.js'
import { fakeHost } from './fake-host.js'

describe('the mirror that is asked alone', () => {
  const of = (option: string | undefined, env: Record<string, string>) => {
    const found = namedMirror(option, env)
    return found === undefined ? undefined : `${found.url.href} ${found.by}`
  }
  it('is that of --index, then that of ESPALIER_INDEX', () => {
    expect(of('https://a.org/simple', { ESPALIER_INDEX: 'https://b.org/simple' })).toBe('https://a.org/simple --index')
    expect(of(undefined, { ESPALIER_INDEX: 'https://b.org/simple' })).toBe('https://b.org/simple ESPALIER_INDEX')
    expect(of(undefined, { PIP_INDEX_URL: 'https://c.org/simple' })).toBeUndefined()
    expect(of(undefined, { ESPALIER_INDEX: '' })).toBeUndefined()
  })
  it.each(['mirror', 'ftp://a.org/simple', 'file:///simple'])('is refused when it is %s', (text) => {
    expect(() => of(text, {})).toThrow(`--index: '${text}' is no http(s) address`)
  })
})

describe("pip's mirror", () => {
  const ini = (index: string) =>
    `[install]\nindex-url = https://other.org\n[global]\ntimeout = 60\nindex-url = ${index}\n`
  const of = (env: Record<string, string>, files: Record<string, string> = {}) => {
    const found = pipMirror(fakeHost({ env, files }))
    return found === undefined ? undefined : `${found.url.href} ${found.by}`
  }
  const user = '/home/user/.config/pip/pip.conf'
  it('is that of PIP_INDEX_URL', () => {
    expect(of({ PIP_INDEX_URL: 'https://a.org/simple' }, { [user]: ini('https://b.org/simple') })).toBe(
      'https://a.org/simple PIP_INDEX_URL',
    )
  })
  it.each([user, '/home/user/.pip/pip.conf', '/etc/xdg/pip/pip.conf', '/etc/pip.conf'])('is that of %s', (file) => {
    expect(of({}, { [file]: ini('https://b.org/simple') })).toBe(`https://b.org/simple ${file}`)
  })
  it.each([
    ['XDG_CONFIG_HOME', '/xdg', '/xdg/pip/pip.conf'],
    ['VIRTUAL_ENV', '/venv', '/venv/pip.conf'],
    ['PIP_CONFIG_FILE', '/own.conf', '/own.conf'],
  ])('is looked for where %s says', (name, value, file) => {
    expect(of({ [name]: value }, { [file]: ini('https://b.org/simple') })).toBe(`https://b.org/simple ${file}`)
  })
  it("is the user's before the machine's", () => {
    expect(of({}, { [user]: ini('https://a.org/s'), '/etc/pip.conf': ini('https://b.org/s') })).toMatch(/^https:\/\/a/)
  })
  it('is none where pip is told to read no file', () => {
    expect(of({ PIP_CONFIG_FILE: '/dev/null' }, { [user]: ini('https://b.org/simple') })).toBeUndefined()
  })
  it('is none where only other sections or other kinds of address name one', () => {
    expect(of({}, { [user]: '[install]\nindex-url = https://b.org/simple\n' })).toBeUndefined()
    expect(of({}, { [user]: ini('file:///simple') })).toBeUndefined()
    expect(of({}, { [user]: '[global]\nextra-index-url = https://b.org/simple\n' })).toBeUndefined()
  })
})
