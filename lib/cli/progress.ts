import type { Progress } from '../libtorch/install/progress.js'
import { clock } from './terminal/clock.js'
import { type Output, type Panel, Screen } from './terminal/screen.js'
import { barline } from './terminal/spark.js'

/** Without a terminal a status is a line of its own, so it comes seldom; never seldom enough to look hung. */
const QUIET_INTERVAL = 3000
const TERMINAL_INTERVAL = 100
/** After so long without a word on a terminal there is a clock behind what was said last. */
const SILENCE = 1000

/** How a command shows what it does. */
export interface Shown extends Progress {
  /** On a terminal: a panel below the lines. Elsewhere `text` is a status. */
  readonly show: (panel: Panel, text: () => string) => void
  /** Whether lines can be drawn over. */
  readonly isLive: boolean
  /** Clears what does not stay. */
  readonly end: () => void
}

/** Shows progress on a stream: in place on a terminal, as lines elsewhere. */
export function showProgress(output: Output = process.stderr): Shown {
  return output.isTTY === true && process.env.TERM !== 'dumb' ? onTerminal(output) : asLines(output)
}

function asLines(output: Output): Shown {
  let last = Date.now()
  const status = (text: () => string) => {
    if (Date.now() - last < QUIET_INTERVAL) return
    last = Date.now()
    output.write(`  ${text()}\n`)
  }
  return {
    isLive: false,
    say(line) {
      output.write(`${line}\n`)
      last = Date.now()
    },
    status: (text) => status(() => text),
    show: (_, text) => status(text),
    end: () => {},
  }
}

function onTerminal(output: Output): Shown {
  const screen = new Screen(output)
  let drawn = 0
  let said: { isGoingOn: boolean; panel?: Panel; at: number } = { isGoingOn: false, at: Date.now() }
  const show = (panel: Panel) => {
    said = { isGoingOn: true, panel, at: Date.now() }
    if (Date.now() - drawn < TERMINAL_INTERVAL) return
    drawn = Date.now()
    screen.show(panel)
  }
  // Work that tells nothing of itself is seen to go on.
  const ticking = setInterval(() => {
    const seconds = (Date.now() - said.at) / 1000
    if (!said.isGoingOn || 1000 * seconds < SILENCE) return
    const { panel } = said
    screen.show((columns, style) => [...(panel?.(columns, style) ?? []), `  ${clock(seconds)}`])
  }, SILENCE)
  ticking.unref()
  return {
    isLive: true,
    say(line) {
      screen.show()
      screen.say(line)
      drawn = 0
      said = { isGoingOn: line.endsWith('…'), at: Date.now() }
    },
    status: (text, part) =>
      show((columns, { accent }) => {
        const width = Math.min(30, columns - text.length - 2)
        return [part === undefined || width < 8 ? text : `${accent(barline(part, width))}  ${text}`]
      }),
    show,
    end() {
      clearInterval(ticking)
      screen.end()
    },
  }
}
