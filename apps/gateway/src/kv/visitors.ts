/**
 * Visitors of the store, so that a running stack has something to show: each fills baskets, one key a basket, sometimes two the same one.
 *
 * They are users like any other: a visitor looks into a basket, thinks, and puts it back with what it saw as the context. Each asks a replica of
 * its own, as users in different places do; so two that put the same basket back at once write concurrently: the replicas find that out and make
 * it one state (write repair), both baskets stay as siblings, and whoever looks next puts back the union, as in the Dynamo paper (section 4.4).
 */
import type { KvAnswer, KvSuccess, Operation } from "@backplane/kv-contract/client-messages"

const BUCKET = "default"
const BASKETS = 3
const ITEMS_MAX = 8
/** In one round of so many all visitors take the same basket. */
const MEET_EVERY = 3

export type Ask = (operation: Operation) => Promise<KvAnswer>

export interface VisitorsOptions {
  /** How each visitor asks the store. */
  readonly visitors: readonly Ask[]
  /** From 0 up to but not including 1. */
  readonly random: () => number
  readonly sleep: (milliseconds: number) => Promise<void>
  /** Mean time between two rounds. */
  readonly pauseMilliseconds: number
}

export class Visitors {
  readonly #options: VisitorsOptions
  #stopped = false
  /** Baskets put back, how many of them united siblings, and what the store refused. */
  readonly counts = { puts: 0, merges: 0, refused: 0 }

  constructor(options: VisitorsOptions) {
    this.#options = options
  }

  /** Settles after `stop`. A store that does not answer is asked again in the next round. */
  async run(): Promise<void> {
    const { visitors, random, sleep, pauseMilliseconds } = this.#options
    for (let round = 0; !this.#stopped; round++) {
      await sleep(pauseMilliseconds * (0.5 + random()))
      const first = Math.floor(random() * BASKETS)
      const apart = round % MEET_EVERY === 0 ? 0 : 1
      const visits = visitors.map((ask, visitor) => ({
        ask,
        key: `demo/basket-${(first + visitor * apart) % BASKETS}`,
        item: `item-${visitor}-${round}`,
      }))
      const looks = await Promise.all(visits.map(async (visit) => ({ ...visit, seen: await this.#look(visit) })))
      await sleep(pauseMilliseconds / 4)
      // In one moment: whose replicas have heard of each other's writes by then would only replace them.
      await Promise.all(looks.map(({ ask, key, item, seen }) => this.#putBack(ask, { key, item, seen })))
    }
  }

  stop(): void {
    this.#stopped = true
  }

  async #look({ ask, key }: { readonly ask: Ask; readonly key: string }): Promise<KvSuccess | null> {
    const seen = await ask({ type: "get", bucket: BUCKET, key })
    if (seen.ok) return seen
    this.counts.refused++
    return null
  }

  async #putBack(ask: Ask, basket: { readonly key: string; readonly item: string; readonly seen: KvSuccess | null }): Promise<void> {
    const { key, item, seen } = basket
    if (seen === null) return
    const { values, context } = seen
    const put = await ask({ type: "put", bucket: BUCKET, key, value: JSON.stringify(filled(values, item)), context })
    if (!put.ok) return void this.counts.refused++
    this.counts.puts++
    if (values.length > 1) this.counts.merges++
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
