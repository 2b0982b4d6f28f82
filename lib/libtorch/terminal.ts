import { readFileSync } from 'node:fs'

/** Whether a question can reach a person: standard input and error are a terminal, and this process has it in the foreground. */
export const canAsk = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true && isInForeground()

/** A process in the background (`&`) that reads from the terminal is stopped. Where nobody can say (no /proc) it counts as one. */
function isInForeground(): boolean {
  try {
    // After the name, which can hold anything: state, parent, process group, session, terminal, the terminal's foreground group.
    const [, , group, , , foreground] = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return group === foreground
  } catch {
    return false
  }
}
