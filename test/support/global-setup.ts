import { fileURLToPath } from 'node:url'
import { buildTypescript } from '../../scripts/setup/typescript.mjs'

/** Tests that start child processes or workers run what is in dist; vitest alone compiles only what it imports. */
export default async function setup(): Promise<void> {
  await buildTypescript(fileURLToPath(new URL('../../', import.meta.url)))
}
