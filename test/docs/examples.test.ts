import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { afterAll, describe, expect, it } from 'vitest'
import { espalier } from '../support/public.js'
import { defaultsOf, examplesOf, faceOf, optionsOf, programOf, ROOT, sourcesOf } from './docstrings.js'
import { placeFiles } from './files.js'
import { mentioned, PROGRAMS, referredTo, typesByName } from './mentions.js'
import { promised } from './promised.js'

// The folder that the reader of an example is in: a package that depends on espalier, with a model and data of its own.
const folder = mkdtempSync(join(tmpdir(), 'espalier-examples-'))
afterAll(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'node_modules'))
symlinkSync(ROOT, join(folder, 'node_modules/espalier'), 'dir')
writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
const MODELS = { 'model.pt': 'small.script.pt', 'policy.pt': 'policy.script.pt', 'labelled.pt': 'extra.script.pt' }
for (const [name, fixture] of Object.entries(MODELS)) {
  copyFileSync(join(ROOT, 'test/fixtures/models', fixture), join(folder, name))
}

const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
function place(name: string, code: string): void {
  writeFileSync(join(folder, `${name}.ts`), code)
  writeFileSync(join(folder, `${name}.js`), ts.transpileModule(code, { compilerOptions }).outputText)
}

await placeFiles(folder)
place('data', readFileSync(join(ROOT, 'test/docs/folder/data.ts'), 'utf8'))
const examples = examplesOf(programOf([])).map((example, i) => ({ ...example, file: `example-${i}` }))
for (const { file, code } of examples) place(file, code)
const pathOfExample = (file: string) => join(folder, `${file}.ts`)

const program = programOf([...examples.map(({ file }) => pathOfExample(file)), ...PROGRAMS])
const checker = program.getTypeChecker()

describe('the example of', () => {
  it.each(examples.map((example) => [example.name, example] as const))('%s', (name, { code, file }) => {
    const source = program.getSourceFile(pathOfExample(file))!
    const faults = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    expect(faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([])
    const uses = [...referredTo(checker, source)].filter((path) => path === name || path.startsWith(`${name}.`))
    expect(uses, 'what it is an example of').not.toEqual([])

    const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, `${file}.js`)], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const printed = stdout.split('\n').map((line) => line.trimEnd())
    expect(printed.slice(0, -1)).toEqual(promised(code))
    if (code.includes('console.log')) expect(printed.length).toBeGreaterThan(1)
  })
})

describe('the public names', () => {
  const face = faceOf(program)
  const filesOf = (paths: readonly string[]) => paths.map((path) => program.getSourceFile(path)!)
  const programs = filesOf(PROGRAMS)
  const shown = new Map<string, Set<string>>()
  for (const { name, file } of examples) {
    const used = referredTo(checker, program.getSourceFile(pathOfExample(file))!)
    shown.set(name, new Set([...(shown.get(name) ?? []), ...used]))
  }
  const types = typesByName(checker, [...programs, ...filesOf(examples.map(({ file }) => pathOfExample(file)))])
  const names = mentioned(face, types)
  for (const file of programs) {
    for (const path of referredTo(checker, file)) {
      const [owner, method] = path.split('.') as [string, string?]
      if (method === undefined ? face.names.has(owner) : face.methods.get(owner)?.has(method)) names.add(path)
    }
  }

  for (const name of face.names) if (name in espalier) names.add(name)

  it('have among them the methods that guides speak of', () => {
    expect([...names]).toEqual(
      expect.arrayContaining(['Prunable.of', 'Optimizer.step', 'lr.cosine', 'ScriptModule.save']),
    )
  })

  it.each([...names].sort())('%s has an example of its own, or one of what it belongs to', (name) => {
    const owner = name.split('.')[0]!
    const uses = [...(shown.get(name) ?? []), ...(shown.get(owner) ?? [])]
    expect(uses.filter((path) => path === name || path.startsWith(`${name}.`))).not.toEqual([])
  })

  it.each([...names].filter((name) => face.takes.has(name)).sort())('%s tells what it throws', (name) => {
    expect(face.takes.get(name)).toMatch(/ERR_/)
  })
})

describe('the doc comments', () => {
  it.each([...optionsOf(program)])('of %s say what each option is, and what it is by default', (_, options) => {
    const silent = [...options].filter(([, { says, optional }]) => !(optional ? /default/i : /./).test(says))
    expect(silent.map(([name]) => name)).toEqual([])
  })

  it.each(defaultsOf(program))('of $option tell its default, $value', ({ value, says }) => {
    const off = /(off|none) by default/i
    if (value === 'false' && off.test(says)) return
    const before = `default:? ['\`]*${value}(?!\\w|\\.\\d)`
    const after = `(?<![\\w.-])${value}['\`]*,? \\(?(by|the)? ?default`
    expect(says).toMatch(new RegExp(`${before}|${after}`, 'i'))
  })

  it('name only error codes that there are', () => {
    const comments = sourcesOf(program).flatMap(({ text }) => text.match(/\/\*\*[\s\S]*?\*\//g) ?? [])
    const named = new Set(comments.flatMap((comment) => comment.match(/\bERR_\w+/g) ?? []))
    expect(named.size).toBeGreaterThan(10)
    expect(Object.keys(espalier.ERROR_CODES)).toEqual(expect.arrayContaining([...named]))
  })
})
