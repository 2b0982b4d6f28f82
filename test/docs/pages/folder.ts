/** The folder that a reader of the guides is in: a package that depends on espalier, with a model, pictures and data of its own. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import ts from 'typescript'
import { ROOT } from '../docstrings.js'

const EXAMPLES = join(ROOT, 'examples/data')
const MODELS = { 'model.pt': 'resnet8.script.pt', 'traced.pt': 'resnet8.trace.pt', 'vit.pt': 'vit.script.pt' }
const SPLITS = { photos: 'train', test: 'test' } as const

/** Of all pages: the digits as PNG files, a folder for each digit, in `photos/` those to train on and in `test/` the others. */
export class Folders {
  readonly #root = mkdtempSync(join(tmpdir(), 'espalier-pages-'))

  async prepare(): Promise<void> {
    const digits = JSON.parse(readFileSync(join(EXAMPLES, 'digits.json'), 'utf8'))
    const pixels = readFileSync(join(EXAMPLES, 'digits_x_u8.bin'))
    const classes = readFileSync(join(EXAMPLES, 'digits_y_u8.bin'))
    for (const [folder, split] of Object.entries(SPLITS)) {
      for (const i of digits[split] as number[]) {
        const path = join(this.#root, folder, String(classes[i]))
        mkdirSync(path, { recursive: true })
        // 0 to 16 in the data.
        const picture = Uint8Array.from(pixels.subarray(64 * i, 64 * (i + 1)), (v) => Math.round((v * 255) / 16))
        await sharp(picture, { raw: { width: 8, height: 8, channels: 1 } })
          .png()
          .toFile(join(path, `${i}.png`))
      }
    }
  }

  /** A folder of its own for a page. */
  make(page: string): string {
    const folder = join(this.#root, page.replaceAll(/\W/g, '-'))
    mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true })
    symlinkSync(ROOT, join(folder, 'node_modules/espalier'), 'dir')
    const command = join(folder, 'node_modules/.bin/espalier')
    writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${ROOT}dist/cli/main.js" "$@"\n`, { mode: 0o755 })
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    for (const split of Object.keys(SPLITS)) symlinkSync(join(this.#root, split), join(folder, split), 'dir')
    for (const [name, example] of Object.entries(MODELS)) copyFileSync(join(EXAMPLES, example), join(folder, name))
    placeProgram(folder, 'data', readFileSync(join(ROOT, 'test/docs/pages/data.ts'), 'utf8'))
    return folder
  }

  remove(): void {
    rmSync(this.#root, { recursive: true })
  }
}

const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }

/** A program as TypeScript, to be checked, and as JavaScript, to be run. */
export function placeProgram(folder: string, name: string, code: string): { ts: string; js: string } {
  const paths = { ts: join(folder, `${name}.ts`), js: join(folder, `${name}.js`) }
  writeFileSync(paths.ts, code)
  writeFileSync(paths.js, ts.transpileModule(code, { compilerOptions }).outputText)
  return paths
}
