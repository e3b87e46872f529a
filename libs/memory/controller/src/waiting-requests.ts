/** Requests for pages that wait for a frame to come free, at most one of a node for a page; in their order. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { PageMessage } from "@backplane/memory-contract/coherence-messages"

export type PageRequest = Extract<PageMessage, { kind: "PageGetS" | "PageGetM" | "PageOperate" }>

interface Waiting {
  readonly from: ActorId
  readonly body: PageRequest
}

/** Who asks again later finds no other answer. */
const WAITING_MAX = 4_096

export class WaitingRequests {
  readonly #waiting = new Map<string, Waiting>()

  /** Past the limit nothing is kept: the node asks again. */
  keep(from: ActorId, body: PageRequest): void {
    const key = keyOf(body)
    if (this.#waiting.has(key) || this.#waiting.size < WAITING_MAX) this.#waiting.set(key, { from, body })
  }

  drop(body: PageRequest): void {
    this.#waiting.delete(keyOf(body))
  }

  takeAll(): readonly Waiting[] {
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    return all
  }

  forget(space: string): void {
    for (const [key, { body }] of this.#waiting) if (body.space === space) this.#waiting.delete(key)
  }
}

function keyOf({ space, page, node }: PageRequest): string {
  return `${space}/${page}/${node}`
}
