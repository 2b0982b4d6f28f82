/** The files of data that the examples of lib/ read: six images [3, 8, 8] of three classes, in every format. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { bytesOf, dict, npy, safetensors, zip } from '../train/files/bytes.js'

export async function placeFiles(folder: string): Promise<void> {
  const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content)
  const pixels = bytesOf(Float32Array.from({ length: 6 * 3 * 8 * 8 }, (_, k) => (k % 17) / 17))
  const numbers = bytesOf(BigInt64Array.of(0n, 1n, 2n, 0n, 1n, 2n))
  const images = npy(dict("'<f4'", '(6, 3, 8, 8)'), pixels)
  const classes = npy(dict("'<i8'", '(6,)'), numbers)
  write('images.npy', images)
  write('classes.npy', classes)
  const archive = zip([
    { name: 'images.npy', content: images },
    { name: 'classes.npy', content: classes },
  ])
  write('data.npz', archive)
  const entry = { dtype: 'F32', shape: [6, 3, 8, 8], data_offsets: [0, pixels.length] }
  write('text.txt', 'A byte behind another. '.repeat(11))
  write('flowers.csv', 'length,width,kind\n1.5,2,rose\n3,0.5,iris\n2.5,0.5,iris\n1,2,rose\n')
  write('data.safetensors', safetensors({ images: entry }, pixels))
  for (const name of ['cats', 'dogs']) {
    mkdirSync(join(folder, 'photos', name), { recursive: true })
    for (const k of [1, 2, 3]) {
      const background = { r: 60 * k, g: 120, b: name === 'cats' ? 200 : 20 }
      const picture = sharp({ create: { width: 12, height: 10, channels: 3, background } })
      await picture.png().toFile(join(folder, 'photos', name, `${k}.png`))
    }
  }
}
