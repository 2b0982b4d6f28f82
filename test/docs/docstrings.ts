/** What the doc comments of lib/ show: their `@example` blocks, and the public names that they stand on. */
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const ENTRIES = ['lib/index.ts', 'lib/torch/index.ts', 'lib/analysis.ts'].map((path) => ROOT + path)

/** An `@example` of a doc comment, as a program. */
export interface Example {
  /** What it stands on: `load`, `Tensor.from`. */
  name: string
  code: string
}

/**
 * Source files as the compiler sees them, with the options of the project: `espalier` is lib/.
 *
 * @param unwritten texts of files that are only thought of, by path
 */
export function programOf(paths: readonly string[], unwritten: ReadonlyMap<string, string> = new Map()): ts.Program {
  const config = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} }
  const { options } = ts.getParsedCommandLineOfConfigFile(`${ROOT}tsconfig.json`, {}, config)!
  const host = ts.createCompilerHost(options)
  const { readFile, fileExists, getSourceFile } = host
  host.readFile = (path) => unwritten.get(path) ?? readFile(path)
  host.fileExists = (path) => unwritten.has(path) || fileExists(path)
  host.getSourceFile = (path, target, ...rest) => {
    const text = unwritten.get(path)
    return text === undefined ? getSourceFile(path, target, ...rest) : ts.createSourceFile(path, text, target, true)
  }
  const program = ts.createProgram([...ENTRIES, ...paths], options, host)
  // Gives every node its parent.
  program.getTypeChecker()
  return program
}

/** `Tensor.from` of a declaration, `load` of a function; undefined for what has no name. */
export function pathOf(node: ts.Node): string | undefined {
  const own = node as ts.NamedDeclaration
  if (ts.isVariableStatement(node)) return pathOf(node.declarationList.declarations[0]!)
  if (own.name === undefined || !ts.isIdentifier(own.name)) return undefined
  const { parent } = node
  const owner = ts.isClassLike(parent) || ts.isInterfaceDeclaration(parent) ? pathOf(parent) : undefined
  // The functions of a table, `lr.cosine`, are called by the name of the table.
  const table = ts.isObjectLiteralExpression(parent) ? ts.findAncestor(parent, ts.isVariableDeclaration) : undefined
  const prefix = owner ?? (table && pathOf(table))
  return prefix === undefined ? own.name.text : `${prefix}.${own.name.text}`
}

/** The files of lib/. */
export function sourcesOf(program: ts.Program): ts.SourceFile[] {
  return program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(`${ROOT}lib/`))
}

/** Every `@example` in lib/, whatever it stands on. */
export function examplesOf(program: ts.Program): Example[] {
  const found: Example[] = []
  const visit = (node: ts.Node) => {
    for (const tag of ts.getJSDocTags(node).filter(({ tagName }) => tagName.text === 'example')) {
      // Of a declaration in a statement both would give it.
      if (tag.parent.parent !== node) continue
      const text = ts.getTextOfJSDocComment(tag.comment) ?? ''
      found.push({ name: pathOf(node) ?? node.getSourceFile().fileName, code: unfenced(text) })
    }
    ts.forEachChild(node, visit)
  }
  for (const file of sourcesOf(program)) visit(file)
  return found
}

function unfenced(text: string): string {
  return /^```ts\n([\s\S]*)\n```$/.exec(text.trim())?.[1] ?? text.trim()
}

/** Public functions, classes and tables of functions by name, and the methods of public classes, interfaces and tables by owner. */
export interface Face {
  names: ReadonlySet<string>
  methods: ReadonlyMap<string, ReadonlySet<string>>
  /** What the functions that take something say that they throw. */
  takes: ReadonlyMap<string, string>
}

/** What the package exports, in any of its places. */
function exportsOf(program: ts.Program): ts.Symbol[] {
  const checker = program.getTypeChecker()
  return ENTRIES.flatMap((entry) =>
    checker
      .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)!)!)
      .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol)),
  )
}

export function faceOf(program: ts.Program): Face {
  const checker = program.getTypeChecker()
  const names = new Set<string>()
  const methods = new Map<string, Set<string>>()
  const takes = new Map<string, string>()
  const callable = (symbol: ts.Symbol) => {
    const { valueDeclaration: declaration } = symbol
    if (declaration === undefined || symbol.name.startsWith('__')) return false
    if (symbol.getJsDocTags().some(({ name }) => name === 'internal')) return false
    if (ts.getCombinedModifierFlags(declaration as ts.Declaration) & ts.ModifierFlags.Private) return false
    if (symbol.flags & ts.SymbolFlags.Accessor) return false
    const isMethod = symbol.flags & (ts.SymbolFlags.Method | ts.SymbolFlags.Function)
    const isTable = ts.isShorthandPropertyAssignment(declaration) || ts.isVariableDeclaration(declaration)
    if (!isMethod && !isTable) return false
    return checker.getTypeOfSymbol(symbol).getCallSignatures().length > 0
  }
  for (const symbol of exportsOf(program)) {
    const members = [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? [])]
    if (symbol.flags & ts.SymbolFlags.Variable) members.push(...checker.getTypeOfSymbol(symbol).getProperties())
    const own = members.filter(callable).map(({ name }) => name)
    if (own.length > 0) methods.set(symbol.name, new Set(own))
    const isTable = symbol.flags & ts.SymbolFlags.Variable && own.length > 0
    const [call] = checker.getTypeOfSymbol(symbol).getCallSignatures()
    if (call && call.parameters.length > 0) takes.set(symbol.name, thrownBy(symbol))
    if (callable(symbol) || symbol.flags & ts.SymbolFlags.Class || isTable) names.add(symbol.name)
  }
  return { names, methods, takes }
}

function thrownBy(symbol: ts.Symbol): string {
  const tags = symbol.getJsDocTags().filter(({ name }) => name === 'throws')
  return tags.map(({ text }) => ts.displayPartsToString(text)).join()
}

/** Options that public functions and methods take: by interface, what is said of each option; of a needed one, and of the others. */
export function optionsOf(program: ts.Program): Map<string, Map<string, { says: string; optional: boolean }>> {
  const checker = program.getTypeChecker()
  const found = new Map<string, Map<string, { says: string; optional: boolean }>>()
  const visit = (node: ts.Node) => {
    if (ts.isBlock(node)) return
    const type = ts.isParameter(node) ? checker.getNonNullableType(checker.getTypeAtLocation(node)) : undefined
    const name = (type?.aliasSymbol ?? type?.getSymbol())?.name
    if (type && name?.endsWith('Options')) {
      const options = type.getProperties().map((property) => {
        const says = ts.displayPartsToString(property.getDocumentationComment(checker))
        return [property.name, { says, optional: (property.flags & ts.SymbolFlags.Optional) !== 0 }] as const
      })
      found.set(name, new Map(options))
    }
    ts.forEachChild(node, visit)
  }
  for (const entry of exportsOf(program)) for (const each of entry.declarations ?? []) visit(each)
  return found
}

/** Numbers, texts and flags that functions of lib/ take where an option is left out: option, default, what is said of the option. */
export function defaultsOf(program: ts.Program): { option: string; value: string; says: string }[] {
  const checker = program.getTypeChecker()
  const found: { option: string; value: string; says: string }[] = []
  const visit = (node: ts.Node) => {
    if (ts.isBindingElement(node) && node.initializer && ts.isVariableDeclaration(node.parent.parent)) {
      const given = node.parent.parent.initializer
      const type = given && checker.getTypeAtLocation(given)
      const property = type?.getProperty((node.propertyName ?? node.name).getText())
      const value = literal(node.initializer)
      if (type?.symbol?.name.endsWith('Options') && property && value !== undefined) {
        const says = ts.displayPartsToString(property.getDocumentationComment(checker))
        found.push({ option: `${type.symbol.name}.${property.name}`, value, says })
      }
    }
    ts.forEachChild(node, visit)
  }
  for (const file of sourcesOf(program)) visit(file)
  return found
}

function literal(node: ts.Expression): string | undefined {
  if (ts.isStringLiteral(node)) return node.text
  if (ts.isNumericLiteral(node))
    return /_/.test(node.getText()) ? Number(node.text).toLocaleString('en-US') : node.getText()
  if (node.kind === ts.SyntaxKind.FalseKeyword) return 'false'
  return node.kind === ts.SyntaxKind.TrueKeyword ? 'true' : undefined
}
