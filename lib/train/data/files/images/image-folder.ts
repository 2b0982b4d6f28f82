import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { abortIf } from '../../../../base/abort.js'
import { type Description, describes } from '../../../../base/describe.js'
import { Random } from '../../../../base/random.js'
import type { Dataset } from '../../dataset.js'
import { allOf, rowsAt } from '../../indices.js'
import { unreadable } from '../unreadable.js'
import { Broken, type SkippedImage } from './broken.js'
import { PixelCache } from './cache.js'
import { mustBePicture } from './decode.js'
import { type Listed, type Listing, listAll, listClasses, listLabelled } from './listing.js'
import { IMAGE_FOLDER, type ImageFolderOptions } from './options.js'
import { inParallel } from './parallel.js'
import { planOf } from './plan.js'
import { loadSharp, type Sharp } from './sharp.js'

/** The images of a folder. */
export interface ImageFolder extends Dataset {
  /** Names of the classes by their numbers; empty where there are none. */
  readonly classes: readonly string[]
  /** Pictures that are broken: those found at the start, and later those found in use. */
  readonly skipped: readonly SkippedImage[]
}

/**
 * The JPEG, PNG and WebP pictures of a folder, decoded when they are needed by the package `sharp`, which is to be installed beside this one.
 * A batch is a `Float32Array` `[n, channels, height, width]`, and a `BigInt64Array` `[n]` of classes. Pictures are turned as their camera says;
 * what is transparent in them is white.
 *
 * The classes are the sub-folders, in alphabetical order; `labels` names a file with them instead. Random changes depend on `seed`, the pass
 * and the picture alone: a run that goes on from a checkpoint sees the same.
 *
 * Broken pictures are left out and named in `skipped`: at the start those whose header can't be read; later one whose pixels turn out to be
 * damaged has the next picture in its place.
 *
 * @param folder path of the folder
 * @throws EspalierError ERR_READ where sharp is not installed, the folder can't be read or has no pictures, and for more broken ones than
 *   `maxBroken`; ERR_INVALID_ARGUMENT for a class that is none of `classes`; ERR_ABORTED
 * @example
 * ```ts
 * import { imageFolder, split } from 'espalier'
 *
 * const images = { size: [8, 8], normalize: 'unit' } as const
 * const photos = await imageFolder('photos', { ...images, transform: 'train', jitter: 0.2 })
 * console.log(photos.size, photos.classes, photos.skipped) // 6 [ 'cats', 'dogs' ] []
 * // The same split of the same pictures, one of them without random changes.
 * const { train } = split(photos, { validation: 0.5 })
 * const { validation } = split(await imageFolder('photos', images), { validation: 0.5 })
 * const { inputs, targets } = await validation.batch(Int32Array.of(0, 1, 2))
 * console.log(train.size, inputs[0]!.shape, targets!.shape) // 3 [ 3, 3, 8, 8 ] [ 3 ]
 * ```
 */
export async function imageFolder(folder: string, options: ImageFolderOptions = {}): Promise<ImageFolder> {
  IMAGE_FOLDER.check(folder, options)
  const { cache = 2 ** 28, workers = 4, maxBroken = 10, signal } = options
  const plan = planOf(options)
  const sharp = await loadSharp()
  const { files: listed, classes } = await list(folder, options)
  const broken = new Broken(folder, maxBroken)
  const sizes = await look(sharp, folder, listed, broken, workers, signal)
  const files = listed.filter(({ file }) => !broken.has(file))
  broken.checkRest(files.length)

  const { shape } = plan
  const held = new PixelCache(cache)
  const every = allOf(files.length)
  const length = shape.channels * shape.height * shape.width
  const dataset: ImageFolder = {
    size: files.length,
    classes,
    get skipped() {
      return broken.list
    },
    async batch(indices, draw = 0) {
      const asked = rowsAt(every, indices)
      const rows = asked.slice()
      const data = new Float32Array(rows.length * length)
      const random = new Random(plan.seed, draw).next()
      await inParallel(rows.length, workers, async (k) => {
        const out = data.subarray(k * length, (k + 1) * length)
        // Of a broken picture the next one takes the place: which one depends on the files alone, not on the run.
        for (let ahead = 0; ahead < files.length; ahead++) {
          const row = (asked[k]! + ahead) % files.length
          const { file } = files[row]!
          if (broken.has(file)) continue
          try {
            await plan.write(sharp, held, row, join(folder, file), new Random(random, row), out)
            rows[k] = row
            return
          } catch (error) {
            broken.add(
              file,
              new Error(`its pixels can't be decoded: ${error instanceof Error ? error.message : error}`),
            )
            broken.check()
          }
        }
        throw unreadable(folder, 'none of its pictures can be decoded')
      })
      const inputs = [{ data, shape: [rows.length, shape.channels, shape.height, shape.width] }]
      if (options.labels === false) return { inputs }
      const targets = BigInt64Array.from(rows, (row) => BigInt(files[row]!.label!))
      return { inputs, targets: { data: targets, shape: [rows.length] } }
    },
  }
  return describes(dataset, () => ({ name: 'imageFolder', files: contentOf(files, sizes), ...plan.description }))
}

async function list(folder: string, { labels, classes }: ImageFolderOptions): Promise<Listing> {
  if (labels === false) return await listAll(folder)
  return await (labels === undefined ? listClasses(folder, classes) : listLabelled(resolve(folder, labels), classes))
}

/**
 * Reads the header of every file, and gives their sizes in bytes. It takes less than a millisecond a file, where decoding takes ten: the number of
 * examples has to be known before the first batch, and most of what is no picture at all is found so. The pixels are looked at when they are used.
 */
async function look(
  sharp: Sharp,
  folder: string,
  files: readonly Listed[],
  broken: Broken,
  workers: number,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, number>> {
  const faults: unknown[] = []
  const sizes = new Map<string, number>()
  await inParallel(files.length, workers, async (k) => {
    abortIf(signal)
    const path = join(folder, files[k]!.file)
    try {
      sizes.set(files[k]!.file, (await stat(path)).size)
      await mustBePicture(sharp, path)
    } catch (error) {
      faults[k] = error
    }
  })
  // In the order of the files, however many were read at once.
  faults.forEach((error, k) => {
    broken.add(files[k]!.file, error)
  })
  broken.check()
  return sizes
}

/** A hash of the pictures' names, sizes in bytes and classes; their pixels would take too long. */
function contentOf(files: readonly Listed[], sizes: ReadonlyMap<string, number>): Description {
  const hash = createHash('sha256')
  for (const { file, label } of files) hash.update(JSON.stringify([file, sizes.get(file), label ?? null]))
  return hash.digest('hex').slice(0, 16)
}
