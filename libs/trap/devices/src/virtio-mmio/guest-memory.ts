/**
 * The guest's physical memory as a device's DMA sees it. Not here: whose memory it is, and that code made from written bytes is forgotten.
 */
export interface GuestMemory {
  /** Null if any byte of the range is not RAM. */
  read(address: bigint, bytes: number): Uint8Array | null
  /** False, and nothing written, if any byte of the range is not RAM. */
  write(address: bigint, data: Uint8Array): boolean
}

/** A piece of guest memory that a driver handed to a device. */
export interface Span {
  readonly address: bigint
  readonly bytes: number
}

/** Bytes of all spans, one after the other; null if one is not RAM. */
export function gather(memory: GuestMemory, spans: readonly Span[]): Uint8Array | null {
  const parts: Uint8Array[] = []
  for (const { address, bytes } of spans) {
    const part = memory.read(address, bytes)
    if (part === null) return null
    parts.push(part)
  }
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Spreads `data` over the spans; what does not fit is dropped. False if a span that is reached is not RAM. */
export function scatter(memory: GuestMemory, spans: readonly Span[], data: Uint8Array): boolean {
  let at = 0
  for (const { address, bytes } of spans) {
    const part = data.subarray(at, at + bytes)
    if (part.length > 0 && !memory.write(address, part)) return false
    at += part.length
  }
  return true
}

/** The spans from `skip` bytes on, cut to `bytes` in all. */
export function cut(spans: readonly Span[], { skip, bytes }: { skip: number; bytes: number }): readonly Span[] {
  const result: Span[] = []
  let before = skip
  let left = bytes
  for (const span of spans) {
    const dropped = Math.min(before, span.bytes)
    const kept = Math.min(span.bytes - dropped, left)
    before -= dropped
    left -= kept
    if (kept > 0) result.push({ address: span.address + BigInt(dropped), bytes: kept })
  }
  return result
}

export function total(spans: readonly Span[]): number {
  return spans.reduce((sum, span) => sum + span.bytes, 0)
}
