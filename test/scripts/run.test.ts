import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { run } from '../../scripts/setup/run.mjs'

const lines: string[] = []
beforeEach(() => {
  lines.length = 0
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line))
})
afterEach(() => void vi.restoreAllMocks())

const node = (program: string, options = {}) => run('working', process.execPath, ['-e', program], options)

it('a silent command is heard of at least every 5 s', async () => {
  const start = Date.now()
  await node('setTimeout(() => {}, 5200)')
  expect(Date.now() - start).toBeGreaterThan(5000)
  expect(lines[0]).toBe('working')
  expect(lines.slice(1)).toEqual([expect.stringMatching(/working, [45] s/)])
})

it('prints the lines that are picked, as they come', async () => {
  await node("console.log('[1/2] a\\nnoise\\n[2/2] b')", { show: (line: string) => line.startsWith('[') })
  expect(lines).toEqual(['working', '  [1/2] a', '  [2/2] b'])
})

it('a command that fails shows all that it said', async () => {
  await expect(node("console.log('out'); console.error('the reason'); process.exit(3)")).rejects.toThrow(
    /out[\s\S]*the reason[\s\S]*failed \(3\)/,
  )
})

it("a command that can't be started is an error", async () => {
  await expect(run('working', '/nowhere/command', [])).rejects.toThrow(/ENOENT/)
})
