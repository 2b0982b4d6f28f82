// Zip archives as lists of entries: read from a sound file, written again after something was changed.

import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'

/** @typedef {{ name: string, data: Buffer }} Entry */

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50

/** @param {Buffer} bytes of a zip without zip64 @returns {Entry[]} */
export function readZip(bytes) {
  const end = bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  let at = bytes.readUInt32LE(end + 16)
  return Array.from({ length: bytes.readUInt16LE(end + 10) }, () => {
    const [packedSize, nameSize] = [bytes.readUInt32LE(at + 20), bytes.readUInt16LE(at + 28)]
    const local = bytes.readUInt32LE(at + 42)
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28)
    const packed = bytes.subarray(start, start + packedSize)
    const data = bytes.readUInt16LE(at + 10) === 0 ? packed : inflateRawSync(packed)
    const name = bytes.toString('utf8', at + 46, at + 46 + nameSize)
    at += 46 + nameSize + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
    return { name, data }
  })
}

/** @param {readonly Entry[]} entries @param {{ deflate?: boolean }} [options] @returns {Buffer} */
export function writeZip(entries, { deflate = false } = {}) {
  /** @type {Buffer[]} */
  const local = []
  /** @type {Buffer[]} */
  const central = []
  let offset = 0
  for (const { name, data } of entries) {
    const title = Buffer.from(name)
    const packed = deflate ? deflateRawSync(data) : data
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(deflate ? 8 : 0, 4)
    common.writeUInt32LE(crc32(data), 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(data.length, 18)
    common.writeUInt16LE(title.length, 22)
    local.push(signed(LOCAL, common), title, packed)
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    central.push(signed(CENTRAL, Buffer.from([20, 0]), common, tail), title)
    offset += 30 + title.length + packed.length
  }
  const size = central.reduce((sum, part) => sum + part.length, 0)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(size, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...local, ...central, signed(END, end)])
}

/** Places of the headers in the table of contents. @param {Buffer} bytes @returns {number[]} */
export function centralHeaders(bytes) {
  const places = []
  for (let at = bytes.indexOf('PK\x01\x02', 0, 'latin1'); at >= 0; at = bytes.indexOf('PK\x01\x02', at + 1, 'latin1')) {
    places.push(at)
  }
  return places
}

/** @param {number} signature @param {Buffer[]} parts */
function signed(signature, ...parts) {
  const head = Buffer.alloc(4)
  head.writeUInt32LE(signature)
  return Buffer.concat([head, ...parts])
}
