import { extname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { CsvError, parse } from 'csv-parse'
import { withFile } from '../../../base/files.js'
import { unreadable } from './unreadable.js'

/** Of one row: a quote that is never closed would take the rest of the file. */
const MAX_ROW_BYTES = 2 ** 24

/** Tabs for `.tsv` and `.tab`, else commas. */
export const delimiterOf = (path: string): string => (/^\.(tsv|tab)$/i.test(extname(path)) ? '\t' : ',')

/**
 * Reads the rows of a table (RFC 4180: cells may be quoted) one after the other; empty lines are left out.
 *
 * @param use gets each row, and its number from 1
 * @throws EspalierError ERR_READ for a file that can't be read, and rows that have not the same number of cells; what `use` throws
 */
export async function readRows(
  path: string,
  delimiter: string,
  use: (row: readonly string[], number: number) => void,
): Promise<void> {
  await withFile(path, async (file) => {
    const options = { delimiter, bom: true, skip_empty_lines: true, max_record_size: MAX_ROW_BYTES }
    let number = 0
    // What is thrown in a pipeline, the pipeline hides behind an error of its own.
    let thrown: { error: unknown } | undefined
    const take = async (rows: AsyncIterable<string[]>) => {
      for await (const row of rows) {
        try {
          use(row, ++number)
        } catch (error) {
          thrown = { error }
          throw error
        }
      }
    }
    try {
      await pipeline(file.createReadStream({ autoClose: false }), parse(options), take)
    } catch (cause) {
      if (thrown !== undefined) throw thrown.error
      throw cause instanceof CsvError ? unreadable(path, cause.message, undefined, cause) : cause
    }
  })
}
