/**
 * A hash of a page's bytes, 53 bits: equal bytes have equal ones. Two lanes of 32-bit multiply and rotate (the mixing of MurmurHash3, Appleby
 * 2011, public domain). Not proof against those who want collisions: whoever shares pages compares the bytes.
 */
const LANES = [0x9e3779b1, 0x85ebca77] as const

export function hashOfPage(bytes: Uint8Array): number {
  let a: number = LANES[0]
  let b: number = LANES[1]
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    a = Math.imul(a ^ view.getUint32(at, true), 0xcc9e2d51)
    a = (a << 13) | (a >>> 19)
    b = Math.imul(b ^ view.getUint32(at + 4, true) ^ a, 0x1b873593)
    b = (b << 15) | (b >>> 17)
  }
  return (finish(a ^ b) & 0x1f_ffff) * 0x1_0000_0000 + (finish(b) >>> 0)
}

function finish(lane: number): number {
  let mixed = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
