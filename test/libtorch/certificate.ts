import { generateKeyPairSync, sign } from 'node:crypto'

/** A certificate for 127.0.0.1, signed by its own key and written by hand (X.509, DER), with its key. */
export function makeCertificate(): { key: string; cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaSha256 = sequence(object('2a8648ce3d040302'))
  const name = sequence(tagged(0x31, sequence(object('550403'), tagged(0x0c, Buffer.from('127.0.0.1')))))
  const year = new Date().getUTCFullYear()
  const validity = sequence(...[year - 1, year + 1].map((at) => tagged(0x18, Buffer.from(`${at}0101000000Z`))))
  const address = tagged(0x87, Buffer.from([127, 0, 0, 1]))
  const subjectAltName = sequence(object('551d11'), tagged(0x04, sequence(address)))
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.from([1])),
    ecdsaSha256,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(subjectAltName)),
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)])
  const der = sequence(body, ecdsaSha256, tagged(0x03, signature))
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  }
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: Buffer[]) => tagged(0x30, Buffer.concat(parts))
const object = (hex: string) => tagged(0x06, Buffer.from(hex, 'hex'))
