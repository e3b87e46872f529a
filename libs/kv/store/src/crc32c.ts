/** CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), the checksum of every record. RFC 3720, appendix B.4. */

const POLYNOMIAL = 0x82f63b78

function makeTable(): Uint32Array {
  const table = new Uint32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let rest = byte
    for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1
    table[byte] = rest >>> 0
  }
  return table
}

const TABLE = makeTable()

/** Checksum of `bytes[start…end)`, unsigned. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0xffffffff
  for (let at = start; at < end; at++) crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0)
  return (crc ^ 0xffffffff) >>> 0
}
