/**
 * Visitors of the store, so that a running stack has something to show: each fills baskets, one key a basket, and two of them do so at once.
 *
 * They are users like any other: a visitor looks into a basket, thinks, and puts it back with what it saw as the context. Who put it back
 * meanwhile wrote concurrently: both stay as siblings, and whoever looks next finds both and puts back the union, as the shopping basket of the
 * Dynamo paper does (section 4.4). It looks again at once through another replica, which may not have the write yet: the store repairs that.
 */
import type { Operation } from "@backplane/kv-contract/client-messages"
import type { KvAnswer, KvSuccess } from "@backplane/kv-contract/client-messages"

const BUCKET = "default"
const BASKETS = 3
const ITEMS_MAX = 8

export interface VisitorsOptions {
  readonly visitors: number
  readonly ask: (operation: Operation) => Promise<KvAnswer>
  /** From 0 up to but not including 1. */
  readonly random: () => number
  readonly sleep: (milliseconds: number) => Promise<void>
  /** Mean time between two baskets of one visitor. */
  readonly pauseMilliseconds: number
}

export class Visitors {
  readonly #options: VisitorsOptions
  #stopped = false
  /** Baskets put back, and how many of them had been put back by two at once. */
  readonly counts = { puts: 0, merges: 0, refused: 0 }

  constructor(options: VisitorsOptions) {
    this.#options = options
  }

  /** Settles after `stop`. A store that does not answer is asked again after a pause. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.visitors }, (_, visitor) => this.#visit(visitor)))
  }

  stop(): void {
    this.#stopped = true
  }

  async #visit(visitor: number): Promise<void> {
    const { ask, random, sleep, pauseMilliseconds } = this.#options
    for (let round = 0; !this.#stopped; round++) {
      await sleep(pauseMilliseconds * (0.5 + random()))
      const key = `demo/basket-${Math.floor(random() * BASKETS)}`
      const seen = await ask({ type: "get", bucket: BUCKET, key })
      if (!seen.ok) {
        this.counts.refused++
        continue
      }
      const { values, context } = seen as KvSuccess
      await sleep(pauseMilliseconds * random() * 0.5)
      if (values.length > 1) this.counts.merges++
      const value = JSON.stringify(filled(values, `item-${visitor}-${round}`))
      const put = await ask({ type: "put", bucket: BUCKET, key, value, ...(context === undefined ? {} : { context }) })
      if (put.ok) this.counts.puts++
      else this.counts.refused++
      await ask({ type: "get", bucket: BUCKET, key, r: 3 })
    }
  }
}

/** The union of what lay in concurrent baskets, and one thing more; a full basket is emptied first. */
export function filled(baskets: readonly string[], item: string): readonly string[] {
  const items = new Set(baskets.flatMap(itemsOf))
  return items.size >= ITEMS_MAX ? [item] : [...items, item].sort()
}

/** Anybody may write to these keys: what is no basket is an empty one. */
function itemsOf(text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : []
  } catch {
    return []
  }
}
