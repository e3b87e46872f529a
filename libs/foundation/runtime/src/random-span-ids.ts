/** Span ids of a live run: random, from a pool, because a system call for each span would cost more than the span. */
import { randomFillSync } from "node:crypto"
import type { SpanIdSource } from "@backplane/foundation-actor/span-book"

const POOL_BYTES = 4096

export class RandomSpanIds implements SpanIdSource {
  readonly #pool = Buffer.alloc(POOL_BYTES)
  readonly #ratio: number
  #next = POOL_BYTES

  /** `ratio`: share of new traces that is recorded, 0 to 1. */
  constructor(ratio = 1) {
    this.#ratio = ratio
  }

  traceId(): string {
    return this.#hex(16)
  }

  spanId(): string {
    return this.#hex(8)
  }

  sampled(): boolean {
    return this.#ratio >= 1 || Math.random() < this.#ratio
  }

  #hex(bytes: number): string {
    if (this.#next + bytes > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#next = 0
    }
    this.#next += bytes
    const hex = this.#pool.toString("hex", this.#next - bytes, this.#next)
    // The standard forbids all zeros: one in 2^64, but a loop costs nothing.
    return /^0+$/.test(hex) ? this.#hex(bytes) : hex
  }
}
