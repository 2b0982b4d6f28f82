import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** A Chromium that is installed; `CHROMIUM` names another. Without one the checks are skipped and the reason is printed; in CI there must be one. */
export const CHROMIUM =
  process.env.CHROMIUM ??
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find((path) => existsSync(path))

/** Why there is nothing to look at pages with. */
const NONE = 'there is no Chromium (apt-get install chromium, or CHROMIUM names one)'
if (CHROMIUM === undefined) {
  if (process.env.CI) throw new Error(NONE)
  console.warn(`pages in a browser are skipped: ${NONE}`)
}

/** The pages are our own, and root has no sandbox. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM as string, args: ['--no-sandbox'] })

/** Where screenshots go: outside of the repository, and to be looked at, so they stay. */
export function screenshotFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-screenshots-'))
  console.log(`screenshots: ${folder}`)
  return folder
}

export const WINDOWS = [
  { width: 1280, height: 900, colorScheme: 'light' },
  { width: 1280, height: 900, colorScheme: 'dark' },
  { width: 390, height: 844, colorScheme: 'light' },
  { width: 390, height: 844, colorScheme: 'dark' },
] as const

/** A file in a window, and what its console says is wrong. */
export async function opened(
  browser: Browser,
  path: string,
  { width, height, colorScheme }: { width: number; height: number; colorScheme: 'light' | 'dark' },
): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme })
  const errors: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text())
  })
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('request', (request) => {
    if (!request.url().startsWith('file:')) errors.push(`asks for ${request.url()}`)
  })
  await page.goto(`file://${path}`)
  // Fonts and the size of the drawing are settled by then.
  await page.waitForTimeout(200)
  return { page, errors }
}
