/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), the checksum of every record. RFC 3720, appendix B.4.
 *
 * Eight bytes a turn, by eight tables: Kounavis and Berry, "A systematic approach to building high performance software-based CRC generators" (2005).
 */

const POLYNOMIAL = 0x82f63b78
const ENTRIES = 256
const BYTES_A_TURN = 8

/** `tables[256 * n + byte]`: what `byte` makes with `n` bytes of zero behind it. */
function makeTables(): Int32Array {
  const tables = new Int32Array(BYTES_A_TURN * ENTRIES)
  for (let byte = 0; byte < ENTRIES; byte++) {
    let rest = byte
    for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 1 ? (rest >>> 1) ^ POLYNOMIAL : rest >>> 1
    tables[byte] = rest
  }
  for (let at = ENTRIES; at < BYTES_A_TURN * ENTRIES; at++) {
    const before = tables[at - ENTRIES] as number
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] as number)
  }
  return tables
}

const TABLES = makeTables()

/** Checksum of `bytes[start…end)`, unsigned. The casts: indices lie within by construction. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = -1
  let at = start
  for (const whole = end - 7; at < whole; at += 8)
    crc =
      (TABLES[1792 + ((crc ^ (bytes[at] as number)) & 0xff)] as number) ^
      (TABLES[1536 + (((crc >>> 8) ^ (bytes[at + 1] as number)) & 0xff)] as number) ^
      (TABLES[1280 + (((crc >>> 16) ^ (bytes[at + 2] as number)) & 0xff)] as number) ^
      (TABLES[1024 + ((crc >>> 24) ^ (bytes[at + 3] as number))] as number) ^
      (TABLES[768 + (bytes[at + 4] as number)] as number) ^
      (TABLES[512 + (bytes[at + 5] as number)] as number) ^
      (TABLES[256 + (bytes[at + 6] as number)] as number) ^
      (TABLES[bytes[at + 7] as number] as number)
  for (; at < end; at++) crc = (crc >>> 8) ^ (TABLES[(crc ^ (bytes[at] as number)) & 0xff] as number)
  return ~crc >>> 0
}
