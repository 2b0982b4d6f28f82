import { createInterface } from 'node:readline/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Where a question is asked. */
export interface Asking {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
  /** How long to wait for the answer, ms; a minute unless given. */
  readonly patience?: number
}

/** Whether a person says yes. Anything else is a no: Ctrl-C, the end of the input, no answer in time. */
export async function saysYes(question: string, { input, output, patience = 60_000 }: Asking): Promise<boolean> {
  const terminal = createInterface({ input, output })
  const closed = new Promise<string>((done) => terminal.once('close', () => done('')))
  const answered = new AbortController()
  const late = sleep(patience, '\n', { signal: answered.signal }).catch(() => '')
  const answer = await Promise.race([terminal.question(`${question} [y/N] `), closed, late])
  answered.abort()
  // Nobody has ended the line of the question.
  if (answer === '\n') output.write(answer)
  terminal.close()
  return /^y(es)?$/i.test(answer.trim())
}
