import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

export default defineConfig({
  // Tests import the package by its name and get the sources, not a stale build.
  resolve: {
    alias: [
      { find: /^espalier$/, replacement: path('./lib/index.ts') },
      { find: /^espalier\/torch$/, replacement: path('./lib/torch/index.ts') },
      { find: /^espalier\/analysis$/, replacement: path('./lib/analysis.ts') },
    ],
  },
  test: {
    globalSetup: [path('./test/support/global-setup.ts')],
    reporters: process.stdout.isTTY ? ['default'] : ['default', path('./test/support/heartbeat.ts')],
    // A native addon can't be unloaded: every test file has a process of its own.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/package/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Packing rebuilds build/Release, which the other tests load: it comes after them, one file at a time.
        extends: true,
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 900_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
