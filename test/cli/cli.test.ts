import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function espalier(args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
}

it('states the version of the package', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  expect(espalier(['--version']).stdout).toBe(`${version}\n`)
})

it('refuses a command that it does not know', () => {
  const { status, stderr } = espalier(['prnue'])
  expect(status).toBe(2)
  expect(stderr).toContain('prnue')
})

it('tells a wrong command line as JSON with --json, and nothing else', () => {
  const { status, stdout, stderr } = espalier(['prune', 'model.pt', '--mac', '0.5', '--json'])
  expect([status, stderr]).toEqual([2, ''])
  expect(JSON.parse(stdout)).toEqual({
    error: { code: 'ERR_INVALID_ARGUMENT', message: "unknown option '--mac'", hint: 'Did you mean --macs?' },
  })
})

it('does not ask about LibTorch without a terminal, and says so', () => {
  const { status, stderr } = espalier(['install-libtorch', '--ask'])
  expect([status, stderr]).toEqual([6, expect.stringMatching(/no terminal to ask at.*\n.*\n.*--ask/)])
})

describe('doctor', () => {
  it('says what was found, tried and loaded', () => {
    const { status, stdout } = espalier(['doctor'])
    expect(stdout).toMatch(/^node {7}v\d+/)
    expect(stdout).toMatch(/core 2\.13 {2}\/.*libespalier_core-2\.13\.so/)
    expect(stdout).toMatch(/^ {2}\+ (cache|LIBTORCH|python|system) /m)
    expect(stdout).toMatch(/LibTorch 2\.13\.0 answers, variant (cpu|cu\d+)/)
    expect(stdout).toMatch(/^libgomp {4}\/\S+libgomp\S*\.so\.1\S*$/m)
    expect(stdout).toMatch(/^threads {4}\d+ on \d+ processors/m)
    expect(status).toBe(0)
  })
  it('says the same as JSON', () => {
    const { status, stdout } = espalier(['doctor', '--json'])
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: { what: string; found: string }[] }
    expect([status, ok]).toEqual([0, true])
    expect(findings.map(({ what }) => what).slice(0, 4)).toEqual(['node', 'loader', 'core 2.13', 'checksums'])
    const refused = espalier(['doctor', '--json', '--libtorch', '/nowhere'])
    expect([refused.status, JSON.parse(refused.stdout).ok]).toEqual([6, false])
  })
  it('fails with the list of places when there is no LibTorch', () => {
    const none = { LIBTORCH: undefined, VIRTUAL_ENV: undefined, XDG_CACHE_HOME: folder, PATH: '' }
    const { status, stdout } = espalier(['doctor'], none)
    expect(status).toBe(6)
    expect(stdout).toContain('ERR_LIBTORCH_NOT_FOUND')
    expect(stdout).toContain('- system   /opt/libtorch')
  })
  it('fails when the LibTorch that it is to look at is none', () => {
    const { status, stdout } = espalier(['doctor', '--libtorch', '/nowhere'])
    expect(status).toBe(6)
    expect(stdout).toContain('ERR_LIBTORCH_INVALID')
  })
})

describe('install-libtorch', () => {
  it('explains a file that is no wheel, with the code and what helps', () => {
    const file = join(folder, 'torch.whl')
    writeFileSync(file, 'text')
    const { status, stderr } = espalier(['install-libtorch', '--from', file], { XDG_CACHE_HOME: join(folder, 'cache') })
    expect(status).toBe(6)
    expect(stderr).toContain('(ERR_INSTALL)')
    expect(stderr).toContain('What helps:')
    expect(stderr).not.toMatch(/^ {4}at /m)
  })
  it('refuses a variant that there is not', () => {
    const { status, stderr } = espalier(['install-libtorch', '--variant', 'rocm'])
    expect(status).toBe(2)
    expect(stderr).toContain('cpu, cu130')
  })
})

describe('inspect', () => {
  const model = join(ROOT, 'test/fixtures/models/toy_resnet.trace_train.pt')
  const inspect = (...args: string[]) => espalier(['inspect', model, '--input', '1,3,32,32', ...args])

  it('prints the groups and what is frozen', () => {
    const { status, stdout } = inspect('--frozen')
    expect(stdout).toMatch(/^ *group +kind +units +members/m)
    expect(stdout).toMatch(/^fc\.weight +0 +\d+ +model output$/m)
    expect(stdout).toMatch(/^coverage: \d+\.\d % of the parameters/m)
    expect(status).toBe(0)
  })
  it('explains what it is asked', () => {
    const { stdout } = inspect('--explain', 'fc.weight[0]', '--explain', '0')
    expect(stdout).toMatch(/^fc\.weight\[0\], \d+ wide, stays: model output$/m)
    expect(stdout).toMatch(/is cut with group 0 \(\d+ channels\)$/m)
  })
  it('draws', () => {
    const file = join(folder, 'model.svg')
    expect(inspect('--draw', file).stdout).toContain(`drawn: ${file}`)
    expect(readFileSync(file, 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>$/)
  })
  it.each([
    [['--input', 'big'], "'big' is no example input"],
    [['--draw', 'model.png'], 'must end in .svg, .html or .dot'],
    [['--explain', 'nowhere'], "no parameters in scope 'nowhere'"],
  ])('refuses %j', (args, words) => {
    const { status, stderr } = inspect(...args)
    expect(stderr).toContain(words)
    expect(stderr).toContain('(ERR_INVALID_ARGUMENT)')
    expect(status).toBe(2)
  })
  it('gives its findings as JSON', () => {
    const { groups, coverage, size } = JSON.parse(inspect('--json').stdout) as Record<string, unknown>
    expect([(groups as unknown[]).length, coverage, size]).toEqual([
      4,
      expect.any(Number),
      { params: 5181, macs: 2318416 },
    ])
  })
})

it('makes no page of a trajectory without a record', () => {
  const path = join(folder, 'empty.jsonl')
  writeFileSync(path, '\n')
  const { status, stderr } = espalier(['report', path])
  expect([status, stderr]).toEqual([3, expect.stringContaining('no record of a run')])
  expect(existsSync(join(folder, 'empty.html'))).toBe(false)
})
