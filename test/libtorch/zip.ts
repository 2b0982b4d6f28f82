import { crc32 } from 'node:zlib'

export interface ZipEntry {
  name: string
  data?: string | Buffer
  /** Unix mode; 0o120777 is a symbolic link. */
  mode?: number
  /** Written instead of the right checksum. */
  wrongCrc?: number
}

/** A zip archive with stored entries, written by hand so that it can be wrong in every way that is needed. */
export function makeZip(entries: readonly ZipEntry[]): Buffer {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const { name, data = '', mode = 0o100644, wrongCrc } of entries) {
    const bytes = Buffer.from(data)
    const title = Buffer.from(name)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt32LE(wrongCrc ?? crc32(bytes), 10)
    common.writeUInt32LE(bytes.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(title.length, 22)

    const tail = Buffer.alloc(14)
    tail.writeUInt32LE((mode << 16) >>> 0, 6)
    tail.writeUInt32LE(offset, 10)
    // "Made by Unix", so that the mode counts.
    central.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, tail, title)

    const record = Buffer.concat([Buffer.from('PK\x03\x04'), common, title, bytes])
    local.push(record)
    offset += record.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...local, directory, Buffer.from('PK\x05\x06'), end])
}

/** The entries of a wheel that is whole as far as the installer can see. */
export function wheelEntries(version = '2.13.0+cpu', libraries: string[] = []): ZipEntry[] {
  return [
    { name: 'torch/version.py', data: `__version__ = '${version}'\n` },
    ...['libtorch.so', 'libtorch_cpu.so', 'libc10.so', ...libraries].map((name) => ({
      name: `torch/lib/${name}`,
      data: `this is ${name}`,
    })),
    { name: 'torch/include/torch/script.h', data: '#pragma once\n' },
    { name: 'torch/nn/modules/conv.py', data: 'Python is left out\n' },
  ]
}
