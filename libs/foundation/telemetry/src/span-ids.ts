/** Live ids and the sampling decision at the root of a trace: random, with the sampler of OTEL_TRACES_SAMPLER. */
import { randomBytes } from "node:crypto"
import type { SpanIdSource } from "@backplane/foundation-actor/span-book"
import type { Settings } from "./settings.ts"

/** Ids are drawn from the kernel in blocks: a draw costs a microsecond, a slice of it some tens of nanoseconds. */
const BLOCK_BYTES = 4096

export class LiveSpanIds implements SpanIdSource {
  readonly #decide: (traceId: string) => boolean
  #block = ""
  #used = 0
  /** A span book asks for the decision right after it has made the trace's id. */
  #lastTraceId = ""

  readonly #onUnsampled: () => void

  constructor(sampler: Settings["sampler"], onUnsampled: () => void = () => undefined) {
    this.#decide = traceDecision(sampler)
    this.#onUnsampled = onUnsampled
  }

  traceId(): string {
    this.#lastTraceId = this.#digits(32)
    return this.#lastTraceId
  }

  spanId(): string {
    return this.#digits(16)
  }

  sampled(): boolean {
    const isSampled = this.#decide(this.#lastTraceId)
    if (!isSampled) this.#onUnsampled()
    return isSampled
  }

  #digits(count: number): string {
    if (this.#used + count > this.#block.length) {
      this.#block = randomBytes(BLOCK_BYTES).toString("hex")
      this.#used = 0
    }
    const digits = this.#block.slice(this.#used, this.#used + count)
    this.#used += count
    // W3C Trace Context forbids the id of all zeros.
    return /^0+$/.test(digits) ? this.#digits(count) : digits
  }
}

/**
 * Whether a trace is kept, a function of its id alone, so that all services agree. The ratio compares the last 7 bytes, the
 * random ones of W3C Trace Context level 2, of which 52 bits fit a number exactly. The parent-based forms are the same here:
 * children follow their root already in the span book.
 */
export function traceDecision(sampler: Settings["sampler"]): (traceId: string) => boolean {
  switch (sampler.name.replace("parentbased_", "")) {
    case "always_off":
      return () => false
    case "traceidratio":
      return (traceId) => parseInt(traceId.slice(-13), 16) < sampler.ratio * 2 ** 52
    default:
      return () => true
  }
}
