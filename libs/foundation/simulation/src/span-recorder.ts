/** Collects the finished spans of a run, with ids that the seed decides: the same run gives the same trace. */
import type { Random } from "@backplane/foundation-base/random"
import type { FinishedSpan, SpanIdSource } from "@backplane/foundation-actor/span-book"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

const SPANS_MAX_DEFAULT = 100_000

export type SimulatedSpan = FinishedSpan<VirtualTime>

export class SpanRecorder {
  readonly #spansMax: number
  readonly #spans: SimulatedSpan[] = []
  #dropped = 0

  constructor(options: { readonly spansMax?: number } = {}) {
    this.#spansMax = options.spansMax ?? SPANS_MAX_DEFAULT
  }

  /** In the order of finishing. */
  get spans(): readonly SimulatedSpan[] {
    return this.#spans
  }

  /** Spans that came when the recorder was full. */
  get dropped(): number {
    return this.#dropped
  }

  add(finished: readonly SimulatedSpan[]): void {
    for (const span of finished) {
      if (this.#spans.length < this.#spansMax) this.#spans.push(span)
      else this.#dropped++
    }
  }
}

/** Ids from a stream of their own per actor and incarnation, so that one more span here changes no id there. */
export function seededSpanIds(random: Random): SpanIdSource {
  const digits = (words: number): string => {
    let text = ""
    for (let word = 0; word < words; word++) text += random.uint32().toString(16).padStart(8, "0")
    return text
  }
  return { traceId: () => digits(4), spanId: () => digits(2), sampled: () => true }
}
