import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EXIT } from '../../lib/cli/exit.js'
import { writeDigits } from '../support/digit-files.js'
import { bare, Terminal } from '../support/terminal.js'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Makes a pseudo terminal: in util-linux, so nearly everywhere. */
const hasScript = spawnSync('script', ['--version']).status === 0
if (!hasScript) console.warn('skipped: what is seen on a terminal, as there is no script(1) to make one')

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-terminal-'))
  await writeDigits(folder)
  writeFileSync(join(folder, 'tune.json'), JSON.stringify({ batchSize: 32 }))
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Seen {
  status: number | null
  written: string
}

/** Runs it on a terminal. @param before what the shell does first @param tell called with all that was written so far */
function onTerminal(
  args: string,
  { columns = 80, env = {}, before = '', tell }: Partial<Settings> = {},
): Promise<Seen> {
  const command = `stty cols ${columns} rows 30; ${before} exec ${process.execPath} ${MAIN} ${args}`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: folder,
    env: {
      ...process.env,
      OMP_NUM_THREADS: '1',
      TERM: 'xterm-256color',
      NO_COLOR: undefined,
      FORCE_COLOR: undefined,
      // Node takes a terminal of a CI for one without colours.
      CI: undefined,
      SHELL: '/bin/sh',
      ...env,
    },
  })
  let written = ''
  child.stdout.on('data', (data) => {
    written += String(data)
    tell?.(written, (keys) => child.stdin.write(keys))
  })
  return new Promise((resolve) => void child.on('close', (status) => resolve({ status, written })))
}
interface Settings {
  columns: number
  env: Record<string, string>
  before: string
  tell: (written: string, type: (keys: string) => void) => void
}

/** What is left of it on a screen. */
function left({ written }: Seen, columns: number): Terminal {
  const terminal = new Terminal(columns)
  terminal.write(written)
  return terminal
}

const CURVE = /^(loss|accuracy) .*[▁▂▃▄▅▆▇█]/m
const TUNE =
  'finetune model.pt --config tune.json --data train.safetensors --validation val.safetensors --epochs 4 -o tuned.pt'

describe.skipIf(!hasScript)('on a terminal', () => {
  it('a training is a view that is gone in the end', async () => {
    const seen = await onTerminal(TUNE)
    expect([seen.status, seen.written]).toEqual([0, expect.stringMatching(/fine-tuning.*━.*epoch \d\/4/)])
    const terminal = left(seen, 80)
    expect(terminal.text).not.toMatch(CURVE)
    expect(terminal.text.split('\n').filter((line) => line.startsWith('fine-tuning'))).toEqual([
      expect.stringMatching(/^fine-tuning 4\/4: loss \S+, accuracy \S+ \(/),
    ])
    expect(terminal.text).toMatch(/^Trained: tuned\.pt$/m)
    expect([terminal.isAtRest, terminal.unknown]).toEqual([true, []])
  })

  it('a narrow one is not overrun, also when it becomes narrower on the way', async () => {
    const seen = await onTerminal(`${TUNE} --epochs 12`, {
      before: '(until [ -e narrow ]; do sleep 0.05; done; stty -F /dev/tty cols 30) &',
      tell: (written) => {
        if (/epoch [2-6]\/12/.test(written)) writeFileSync(join(folder, 'narrow'), '')
      },
    })
    const frames = seen.written.split('\u001b[J')
    const widths = frames.map((frame) =>
      // What the view draws; lines that stay break by themselves.
      Math.max(
        0,
        ...frame
          .split('\r\n')
          .filter((line) => /[━▁█]/.test(line))
          .map((line) => [...bare(line)].length),
      ),
    )
    expect(seen.status).toBe(0)
    expect(Math.max(...widths)).toBeGreaterThan(60)
    expect(Math.max(...widths.slice(-4))).toBeLessThan(30)
  })

  it('NO_COLOR is respected, and so is --quiet', async () => {
    const [colours, plain, quiet] = [
      await onTerminal(TUNE),
      await onTerminal(TUNE, { env: { NO_COLOR: '1' } }),
      await onTerminal(`${TUNE} --quiet`),
    ]
    expect(colours.written).toContain('\u001b[36m')
    expect(plain.written).toMatch(/━/)
    expect(plain.written).not.toMatch(/\[\d+m/)
    expect(quiet.written).not.toContain('\u001b')
    expect(quiet.written).toMatch(/^loss \S+, accuracy \S+\r\nTrained: tuned\.pt\r\n$/)
  })

  it('Ctrl-C leaves it whole, and tells how to go on', async () => {
    let sent = false
    const seen = await onTerminal('sparsify model.pt -o small.pt --no-page', {
      tell: (written, type) => {
        if (sent || !/epoch ([6-9]|1\d)\/40/.test(written)) return
        sent = true
        type('\u0003')
      },
    })
    expect(seen.status).toBe(EXIT.aborted.status)
    expect(existsSync(join(folder, 'small.pt.checkpoint'))).toBe(true)
    const terminal = left(seen, 80)
    expect(terminal.text).toMatch(/^The run goes on from small\.pt\.checkpoint with --resume\.$/m)
    expect(terminal.text).not.toMatch(CURVE)
    expect([terminal.isAtRest, terminal.unknown]).toEqual([true, []])
  }, 60_000)
})
