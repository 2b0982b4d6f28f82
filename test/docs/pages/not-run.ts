/** What of the documents runs in another way than it stands there, or not at all. */

const ci = 'it is what .ci/run does, in a clean clone'
const packed = 'test/package does it, from the packed tarball'
const gpu = 'it takes a GPU, or the CUDA compiler'
const registry = 'it would fetch from a registry'

/** Commands of the documents that their test does not run, each with the reason. */
export const NOT_RUN: ReadonlyMap<string, string> = new Map([
  ['npm ci && npm run demo', ci],
  ['npm ci && npm test', ci],
  ['npm install espalier', packed],
  ['npx espalier install-libtorch', packed],
  ['npm install sharp', registry],
  ['npx esbuild app.js --bundle --platform=node --format=esm --external:espalier --outfile=bundle.js', registry],
  ["pip install torch==2.14.1                 # the CUDA 13 build, with NVIDIA's libraries", gpu],
  [`export LIBTORCH="$(python3 -c 'import torch; print(torch.__path__[0])')"`, gpu],
  ['npm run build:cuda                        # core, operators and CUDA kernels, beside those for the CPU', gpu],
  ['npm run test:gpu                          # on a machine with a GPU', gpu],
])

/** What the README says of large photos is run with small ones, and for a few epochs; each must be there. */
export const SMALLER: Readonly<Record<string, readonly (readonly [from: string, to: string])[]>> = {
  'README.md': [
    ['prune model.pt -i 1,3,224,224', 'prune model.pt -i 1,1,8,8'],
    ['sparsify model.pt -i 1,3,224,224', 'sparsify model.pt -i 1,1,8,8 --sparse-epochs 8 --finetune-epochs 1 --quiet'],
    ['{ size: 224 }', '{ size: 8, channels: 1 }'],
    ['Tensor.zeros([1, 3, 224, 224])', 'Tensor.zeros([1, 1, 8, 8])'],
    ['budget: { macs: 0.5 },', 'budget: { macs: 0.5 }, sparse: { epochs: 8 }, finetune: false,'],
  ],
}
