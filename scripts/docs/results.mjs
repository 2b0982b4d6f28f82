import { join } from 'node:path'
import ts from 'typescript'

const INTRODUCTION = `# Calls and what they give

Every function and class of \`espalier\` with what comes out of it, then those of \`espalier/torch\` and \`espalier/analysis\`, then what
the results hold. What a call takes, with defaults, ranges and an example, is in its doc comment, which editors show; \`npm run docs\` in a
clone makes pages of all that, in \`build/api\`. What each throws: [errors](errors.md).

This page is made by \`npm run docs\` from the doc comments of \`lib/\`.
`

const PLACES = {
  espalier: 'lib/index.ts',
  'espalier/torch': 'lib/torch/index.ts',
  'espalier/analysis': 'lib/analysis.ts',
}

/** @param {string} root */
export function resultsPage(root) {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} }
  const config = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.build.json'), {}, host)
  if (!config) throw new Error('tsconfig.build.json could not be read')
  const program = ts.createProgram(
    Object.values(PLACES).map((path) => join(root, path)),
    config.options,
  )
  const reader = new Reader(program, join(root, 'lib/'))
  const told = new Set()
  const sections = Object.entries(PLACES).flatMap(([place, path]) => {
    const symbols = reader.valuesOf(join(root, path)).filter((symbol) => !told.has(symbol))
    for (const symbol of symbols) told.add(symbol)
    if (place !== 'espalier') return [`## ${place}\n`, table(symbols.flatMap((symbol) => reader.rowsOf(symbol)))]
    return symbols.flatMap((symbol) => {
      const rows = reader.rowsOf(symbol)
      return rows.length === 0 ? [] : [`## ${symbol.name}\n`, `${reader.says(symbol)}\n`, table(rows)]
    })
  })
  return `${[INTRODUCTION, ...sections, '## What results hold\n', ...reader.results()].join('\n').trimEnd()}\n`
}

/** @param {readonly string[][]} rows */
const table = (rows) =>
  `${[['call', 'gives'], ['---', '---'], ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`

/** Reads what is public out of a program. */
class Reader {
  /** Types that results hold, by name. @type {Map<string, ts.Type>} */
  #held = new Map()
  /** @type {ts.TypeChecker} */
  #checker

  /** @param {ts.Program} program @param {string} lib */
  constructor(program, lib) {
    this.program = program
    this.lib = lib
    this.#checker = program.getTypeChecker()
  }

  /** @param {string} path */
  valuesOf(path) {
    const file = /** @type {ts.SourceFile} */ (this.program.getSourceFile(path))
    const module = /** @type {ts.Symbol} */ (this.#checker.getSymbolAtLocation(file))
    return this.#checker
      .getExportsOfModule(module)
      .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol))
      .filter((symbol) => symbol.flags & ts.SymbolFlags.Value && isPublic(symbol))
      .sort(byName)
  }

  /** The first sentence of its doc comment. @param {ts.Symbol} symbol */
  says(symbol) {
    const text = ts.displayPartsToString(symbol.getDocumentationComment(this.#checker))
    // Not behind an initial, as of a name.
    return cell(/^[\s\S]*?[^A-Z]\.(?=\s|$)/.exec(text)?.[0] ?? text)
  }

  /** A function; the methods of a class or of a table of functions. @param {ts.Symbol} symbol */
  rowsOf(symbol) {
    const type = this.#checker.getTypeOfSymbol(symbol)
    if (type.getCallSignatures().length > 0) return [this.#row(symbol.name, symbol)]
    const isClass = (symbol.flags & ts.SymbolFlags.Class) !== 0
    const statics = type.getProperties().filter(({ name }) => name !== 'prototype')
    const own = isClass ? this.#checker.getDeclaredTypeOfSymbol(symbol).getProperties() : []
    const small = `${symbol.name[0]?.toLowerCase()}${symbol.name.slice(1)}`
    return [
      ...statics.map((member) => /** @type {const} */ ([symbol.name, member])),
      ...own.map((member) => /** @type {const} */ ([small, member])),
    ].flatMap(([owner, member]) => {
      const calls = this.#checker.getTypeOfSymbol(member).getCallSignatures()
      if (!isPublic(member) || !this.#isOwn(member) || calls.length === 0) return []
      return [this.#row(`${owner}.${member.name}`, member)]
    })
  }

  /** @param {string} name @param {ts.Symbol} symbol */
  #row(name, symbol) {
    const [call] = this.#checker.getTypeOfSymbol(symbol).getCallSignatures()
    if (!call) throw new Error(`${name} can not be called`)
    const given = call.getReturnType()
    const parameters = call.getParameters().map((parameter) => {
      const declaration = /** @type {ts.ParameterDeclaration | undefined} */ (parameter.valueDeclaration)
      const rest = declaration?.dotDotDotToken ? '...' : ''
      return `${rest}${parameter.name}${declaration?.questionToken || declaration?.initializer ? '?' : ''}`
    })
    const said = symbol.getJsDocTags().find((tag) => tag.name === 'returns')
    const words = said ? `: ${cell(ts.displayPartsToString(said.text))}` : ''
    return [`\`${name}(${parameters.join(', ')})\``, `${this.#typed(given)}${words}`]
  }

  /** @param {ts.Type} type */
  #typed(type) {
    const text = this.#checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation)
    const short = text.length > 80 ? `${text.slice(0, 77)}…` : text
    const named = this.#named(type)
    const link = named.length > 0 ? ` (${named.map(({ name }) => `[${name}](#${name.toLowerCase()})`).join(', ')})` : ''
    return `\`${short.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')}\`${link}`
  }

  /** Of lib/, not of what JavaScript brings. @param {ts.Symbol} symbol */
  #isOwn = (symbol) =>
    symbol.declarations?.some((declaration) => declaration.getSourceFile().fileName.startsWith(this.lib)) === true

  /** Interfaces of lib/ in a type: itself, what a promise or a list of it holds, its parts. @param {ts.Type} type @returns {ts.Symbol[]} */
  #named(type, depth = 0) {
    if (depth > 3) return []
    if (type.isUnionOrIntersection()) return unique(type.types.flatMap((part) => this.#named(part, depth + 1)))
    const symbol = type.getSymbol()
    const parts = [
      ...(this.#checker.getTypeArguments(/** @type {ts.TypeReference} */ (type)) ?? []),
      ...(type.aliasTypeArguments ?? []),
    ]
    const inner = parts.flatMap((part) => this.#named(part, depth + 1))
    const isOwn = symbol && this.#isOwn(symbol) && symbol.flags & ts.SymbolFlags.Interface
    if (!symbol || !isOwn) return unique(inner)
    this.#held.set(symbol.name, this.#checker.getDeclaredTypeOfSymbol(symbol))
    return unique([symbol, ...inner])
  }

  /** A section for each type that a result holds, with those that these hold. */
  results() {
    /** @type {Map<string, string>} */
    const sections = new Map()
    // It grows while it is read.
    for (const [name, type] of this.#held) {
      const fields = type.getProperties().filter(isPublic)
      const rows = fields.map((field) => {
        const own = this.#checker.getTypeOfSymbol(field)
        const text = ts.displayPartsToString(field.getDocumentationComment(this.#checker))
        const optional = field.flags & ts.SymbolFlags.Optional ? '?' : ''
        return [
          `\`${field.name}${optional}\``,
          this.#typed(optional ? this.#checker.getNonNullableType(own) : own),
          cell(text),
        ]
      })
      const head = [['field', 'type', ''], ['---', '---', '---'], ...rows].map((cells) => `| ${cells.join(' | ')} |`)
      const symbol = type.getSymbol()
      const words = symbol ? this.says(symbol) : ''
      sections.set(name, [`### ${name}\n`, ...(words ? [`${words}\n`] : []), `${head.join('\n')}\n`].join('\n'))
    }
    return [...sections].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, section]) => section)
  }
}

/** @param {ts.Symbol} a @param {ts.Symbol} b */
const byName = (a, b) => (a.name < b.name ? -1 : 1)

/** @param {ts.Symbol} symbol */
function isPublic(symbol) {
  if (symbol.name.startsWith('__') || symbol.name.startsWith('#')) return false
  if (symbol.getJsDocTags().some(({ name }) => name === 'internal')) return false
  const [declaration] = symbol.declarations ?? []
  return (
    !declaration ||
    !(ts.getCombinedModifierFlags(/** @type {ts.Declaration} */ (declaration)) & ts.ModifierFlags.Private)
  )
}

/** @param {readonly ts.Symbol[]} symbols */
const unique = (symbols) => [...new Map(symbols.map((symbol) => [symbol.name, symbol])).values()]

/** Text as a cell of a table; links of doc comments as code. @param {string} text */
function cell(text) {
  return text
    .replaceAll(/\{@link\s+([^}]*?)\s*\}/g, '`$1`')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('|', '\\|')
    .trim()
}
