/** Which public functions, classes and methods the guides speak of. */
import { readdirSync } from 'node:fs'
import ts from 'typescript'
import { type Face, pathOf, ROOT } from './docstrings.js'
import { blocksOf, PAGES, textOf } from './pages/blocks.js'

/** Lists that are made from the code. */
const LISTS = ['docs/operators.md', 'docs/reference/results.md', 'docs/reference/commands.md']
/** Pages that speak of public names. */
const NAMING = PAGES.filter((page) => !LISTS.includes(page))
export const PROGRAMS = readdirSync(`${ROOT}examples`)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `${ROOT}examples/${name}`)

/** The code of a page: blocks of TypeScript, and what stands between backticks in its text. */
function codeOf(page: string): { blocks: string[]; pieces: string[] } {
  const blocks = blocksOf(page).filter(({ language }) => language === 'ts')
  const text = textOf(page).replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
  return { blocks: blocks.map(({ code }) => code), pieces: [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!) }
}

/** What a program refers to, by declaration: `Prunable.plan`, `sgd`. */
export function referredTo(checker: ts.TypeChecker, file: ts.SourceFile): Set<string> {
  const found = new Set<string>()
  const visit = (node: ts.Node) => {
    if (ts.isIdentifier(node) && !ts.isImportSpecifier(node.parent)) {
      const symbol = checker.getSymbolAtLocation(node)
      const known = symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      for (const declaration of known?.declarations ?? []) {
        const path = declaration.getSourceFile() === file ? undefined : pathOf(declaration)
        if (path !== undefined) found.add(path)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/** The types that variables and parameters of a name have in programs: `model` is a ScriptModule. */
export function typesByName(checker: ts.TypeChecker, files: readonly ts.SourceFile[]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  const visit = (node: ts.Node) => {
    const isVariable = ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isBindingElement(node)
    if (isVariable && ts.isIdentifier(node.name)) {
      const type = checker.getTypeAtLocation(node).getSymbol()?.name
      if (type !== undefined) found.set(node.name.text, (found.get(node.name.text) ?? new Set()).add(type))
    }
    ts.forEachChild(node, visit)
  }
  for (const file of files) visit(file)
  return found
}

/**
 * The public functions, classes and methods that the pages name. `x.step()` is a method of what an `x` is in the programs, or
 * else of everything that has one; `step()` alone is the function of that name, or else, in a sentence, such a method.
 */
export function mentioned(face: Face, types: ReadonlyMap<string, ReadonlySet<string>>): Set<string> {
  const found = new Set<string>()
  let own: ReadonlySet<string> = new Set()
  const methodsOf = (receiver: string | undefined, method: string) => {
    // A variable of the piece itself, of a type that no program has: nothing public.
    if (receiver !== undefined && own.has(receiver) && !types.has(receiver)) return
    const known = receiver === undefined ? undefined : face.names.has(receiver) ? [receiver] : types.get(receiver)
    for (const owner of known ?? face.methods.keys()) {
      if (face.methods.get(owner)?.has(method)) found.add(`${owner}.${method}`)
    }
  }
  const visit = (node: ts.Node, inText: boolean) => {
    if (ts.isCallExpression(node)) {
      const { expression: callee } = node
      if (ts.isPropertyAccessExpression(callee)) {
        const receiver = ts.isIdentifier(callee.expression) ? callee.expression.text : undefined
        methodsOf(receiver, callee.name.text)
      } else if (inText && ts.isIdentifier(callee) && !face.names.has(callee.text)) methodsOf(undefined, callee.text)
    }
    if (ts.isIdentifier(node) && face.names.has(node.text) && isValue(node)) found.add(node.text)
    ts.forEachChild(node, (child) => visit(child, inText))
  }
  const read = (code: string, inText: boolean) => {
    const piece = ts.createSourceFile('piece.ts', code, ts.ScriptTarget.Latest, true)
    own = variablesOf(piece)
    visit(piece, inText)
  }
  for (const { blocks, pieces } of NAMING.map(codeOf)) {
    for (const code of blocks) read(code, false)
    for (const code of pieces) read(code, true)
  }
  return found
}

function variablesOf(piece: ts.SourceFile): Set<string> {
  const found = new Set<string>()
  const visit = (node: ts.Node) => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name)) found.add(node.name.text)
    ts.forEachChild(node, visit)
  }
  visit(piece)
  return found
}

/** Not the name of a property, an option or a variable. */
function isValue({ parent, ...node }: ts.Identifier): boolean {
  const named = parent as ts.Node & { name?: ts.Node }
  const isName = named.name !== undefined && named.name.pos === node.pos
  return !isName || ts.isImportSpecifier(parent)
}
