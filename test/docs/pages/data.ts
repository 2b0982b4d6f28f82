/** What the guides take for the reader's own data: the digits, [n, 1, 8, 8] in -1..1, from the pictures beside it. */
import { imageFolder } from 'espalier'

const asTrained = { size: 8, channels: 1, mean: 0.5, std: 0.5, crop: 1 } as const

export const data = { train: await imageFolder('photos', asTrained), validation: await imageFolder('test', asTrained) }
