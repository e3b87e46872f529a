/** A range of addresses, page by page. */
import { PAGE_BYTES } from "./machine-frames.ts"

const OFFSET_MASK = BigInt(PAGE_BYTES - 1)
const WORD_BYTES = 8

/** A range cut at page boundaries. */
export function* pieces(address: bigint, bytes: number): Generator<{ readonly at: bigint; readonly from: number; readonly count: number }> {
  for (let from = 0; from < bytes;) {
    const at = address + BigInt(from)
    const count = Math.min(bytes - from, PAGE_BYTES - Number(at & OFFSET_MASK))
    yield { at, from, count }
    from += count
  }
}

/** Is any byte of the page not zero? */
export function holdsAnything(page: Uint8Array): boolean {
  return new BigUint64Array(page.buffer, page.byteOffset, page.length / WORD_BYTES).some((word) => word !== 0n)
}
