/** What `espalier sensitivity` has measured, in a file: a title that says of what, and a line for each point. */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { descriptionOf } from '../base/describe.js'
import { EspalierError } from '../base/errors.js'
import { appendText, readText, writeFileAtomic } from '../base/files.js'
import { fromJson, toJson } from '../base/json.js'
import type { Config } from '../config/option.js'
import { plainConfig } from '../config/plain.js'
import { sha256 } from '../libtorch/install/checksum.js'
import type { Progress } from '../libtorch/install/progress.js'
import type { SensitivityOptions, SensitivityPoint } from '../run/index.js'
import { optionsOf } from '../train/teacher.js'

/** Whatever changes what a point says; which points there are is none of it. */
export async function jobOf(
  path: string,
  { teacher, inputs }: Config,
  options: SensitivityOptions,
  progress: Progress,
): Promise<string> {
  const { data, loss, metrics = [], importance, output, classAxis } = options
  const said = (value: string | object | undefined) => (typeof value === 'object' ? descriptionOf(value) : value)
  const job = {
    model: await sha256(path, progress),
    data: { size: data.size, source: descriptionOf(data) },
    loss: typeof loss === 'function' ? descriptionOf(loss) : said(loss),
    metrics: metrics.map(said),
    importance: importance && descriptionOf(importance),
    teacher: await teacherOf(teacher, options, progress),
    inputs: plainConfig({ inputs }),
    output,
    classAxis,
  }
  return createHash('sha256').update(JSON.stringify(job)).digest('hex')
}

/** Who says what is right: a model by its bytes, as the file or the module that it is, and the options beside it. */
async function teacherOf(
  said: Config['teacher'],
  { teacher }: SensitivityOptions,
  progress: Progress,
): Promise<object | undefined> {
  if (said === undefined || teacher === undefined) return undefined
  const file = typeof said === 'string' ? said : (said as { module?: unknown } | null)?.module
  if (typeof file === 'string') return { file: await sha256(file, progress), options: said }
  const { module, ...options } = optionsOf(teacher)
  return (
    module && {
      module: createHash('sha256')
        .update(await module.toBuffer())
        .digest('hex'),
      options,
    }
  )
}

/** A log that is there, or begun. */
export class SensitivityLog {
  readonly path: string
  /** What was measured before. */
  readonly known: readonly SensitivityPoint[]

  private constructor(path: string, known: readonly SensitivityPoint[]) {
    this.path = path
    this.known = known
  }

  /**
   * @param job as `jobOf` makes it
   * @throws ERR_INVALID_ARGUMENT for a file that holds something else; ERR_READ, ERR_WRITE
   */
  static async open(path: string, job: string): Promise<SensitivityLog> {
    const title = JSON.stringify({ kind: 'sensitivity', job })
    const [first = '', ...lines] = existsSync(path) ? (await readText(path)).split('\n') : []
    const text = [first, ...lines].join('\n')
    if (text !== '' && first !== title) throw refused(path, first)
    const known = lines.flatMap(pointOf)
    const whole = `${[title, ...known.map((point) => toJson(point))].join('\n')}\n`
    // A line that was broken off goes; else the file stays as it is.
    if (text !== whole) await writeFileAtomic(path, whole)
    return new SensitivityLog(path, known)
  }

  add(point: SensitivityPoint): void {
    appendText(this.path, `${toJson(point)}\n`)
  }
}

function refused(path: string, first: string): EspalierError {
  const own = first.startsWith('{"kind":"sensitivity"')
  const words = own
    ? `${path} was measured with another model, other data or other options`
    : `${path} holds something else, and would be replaced`
  return new EspalierError('ERR_INVALID_ARGUMENT', words, {
    hint: own ? 'Delete it, or name another file: --log other.jsonl' : 'Name another file: --log other.jsonl',
  })
}

/** None for a line that is no point, such as one that was broken off. */
function pointOf(line: string): SensitivityPoint[] {
  try {
    const point = fromJson(line) as Partial<SensitivityPoint> | null
    const { group, ratio, units, drop, evaluation } = point ?? {}
    const counts = [group, units].every((count) => Number.isInteger(count) && (count as number) >= 0)
    const numbers = [ratio, drop, evaluation?.loss].every((number) => typeof number === 'number')
    return counts && numbers ? [point as SensitivityPoint] : []
  } catch {
    return []
  }
}
