/**
 * Asks the homes of pages that walks come to which of them can be had without harm to others (`PagesBring` answers). Many harts that miss in one
 * step ask together, for each page once.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import { PAGE_NUMBERS_MAX } from "@backplane/memory-contract/coherence-messages"
import type { AgentOptions, AgentOut } from "./agent-options.ts"

export interface Wanted {
  readonly pages: readonly number[]
  /** Of the miss that they are asked for with. */
  readonly span: string
  /** Life of a home as known here. */
  readonly epochOf: (home: ActorId) => number
}

export class PagesWantedOfSteps {
  readonly #options: Pick<AgentOptions, "space" | "node" | "homeOf">
  /** What the step at hand has asked so far, in all and by home: each step has effects of its own. */
  #step: { readonly out: AgentOut; readonly asked: Set<number>; readonly byHome: Map<ActorId, number[]> } | null = null

  constructor(options: Pick<AgentOptions, "space" | "node" | "homeOf">) {
    this.#options = options
  }

  ask({ pages, span, epochOf }: Wanted, out: AgentOut): void {
    const { space, node, homeOf } = this.#options
    if (this.#step?.out !== out) this.#step = { out, asked: new Set(), byHome: new Map() }
    const { asked, byHome } = this.#step
    for (const page of pages) {
      if (asked.has(page)) continue
      asked.add(page)
      const home = homeOf(page)
      const of = byHome.get(home)
      if (of !== undefined && of.length < PAGE_NUMBERS_MAX) {
        of.push(page)
        continue
      }
      // Nobody reads it before the step is over: until then it grows.
      const begun = [page]
      byHome.set(home, begun)
      out.push(send(home, { kind: "PagesWanted", space, node, epoch: epochOf(home), pages: begun }, span))
    }
  }
}
