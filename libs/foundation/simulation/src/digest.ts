/**
 * A quick 64-bit digest of long data, so that a page in a message costs microseconds and one short word in a line.
 *
 * Two 32-bit lanes of multiply-and-rotate, in the manner of MurmurHash3 (Appleby, 2011). Like the fingerprint it tells
 * honest runs apart and is no defence against an adversary.
 */
export function digestOfText(text: string): string {
  return digest(text.length, (index) => text.charCodeAt(index))
}

export function digestOfBytes(bytes: Uint8Array): string {
  return digest(bytes.length, (index) => bytes[index] ?? 0)
}

function digest(length: number, unitAt: (index: number) => number): string {
  let a = 0x243f6a88
  let b = 0x85a308d3
  for (let index = 0; index < length; index++) {
    const unit = unitAt(index)
    a = Math.imul(a ^ unit, 0xcc9e2d51)
    a = (a << 15) | (a >>> 17)
    b = Math.imul(b ^ unit, 0x1b873593)
    b = (b << 13) | (b >>> 19)
  }
  const first = finished(a ^ length)
  return hex(first) + hex(finished(b ^ first))
}

/** Every bit of the state touches every bit of the result. */
function finished(lane: number): number {
  let mixed = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

function hex(lane: number): string {
  return (lane >>> 0).toString(16).padStart(8, "0")
}
