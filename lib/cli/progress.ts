import type { Progress } from '../libtorch/install/progress.js'

/** Without a terminal a status is a line of its own, so it comes seldom; never seldom enough to look hung. */
const QUIET_INTERVAL = 3000
const TERMINAL_INTERVAL = 100

interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Shows progress on a stream: in place on a terminal, as lines elsewhere. `end` clears what is left on the line. */
export function showProgress(output: Output = process.stderr): Progress & { readonly end: () => void } {
  const terminal = output.isTTY === true
  let last = Date.now()
  let width = 0
  const clear = () => {
    if (width > 0) output.write(`\r${' '.repeat(width)}\r`)
    width = 0
  }
  return {
    say(line) {
      clear()
      output.write(`${line}\n`)
      last = Date.now()
    },
    status(text) {
      if (Date.now() - last < (terminal ? TERMINAL_INTERVAL : QUIET_INTERVAL)) return
      last = Date.now()
      if (!terminal) return void output.write(`  ${text}\n`)
      clear()
      output.write(text)
      width = text.length
    },
    end: clear,
  }
}
