/**
 * How many pages with their bytes each other node takes in one message.
 *
 * Programs from before `PagesTake` take sixteen and refuse more, so nobody is sent more before he has said that he takes it. Who gets a run of just
 * so many says it to the sender, who may not know or may have forgotten: a few times, since one from before would refuse that message, too.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import { COHERENT_NODES_MAX } from "@backplane/memory-coherence/flow"
import { RUN_PAGES_MAX, RUN_PAGES_UNTOLD } from "@backplane/memory-contract/coherence-messages"
import type { AgentOut } from "./agent-options.ts"

const TELLS_MAX = 8

export class RunLimits {
  readonly #space: string
  readonly #takes = new Map<ActorId, number>()
  /** How often it was told what is taken here. */
  readonly #told = new Map<ActorId, number>()

  constructor(space: string) {
    this.#space = space
  }

  /** Pages in one message to it. */
  of(to: ActorId): number {
    return this.#takes.get(to) ?? RUN_PAGES_UNTOLD
  }

  /** It has said how many it takes. */
  note(from: ActorId, pages: number): void {
    if (this.#takes.size < COHERENT_NODES_MAX || this.#takes.has(from)) this.#takes.set(from, Math.min(pages, RUN_PAGES_MAX.bytes))
  }

  /** A run of so many pages has come from there: it is told how many may come, where it may not know. */
  heard(from: ActorId, pages: number, out: AgentOut): void {
    const told = this.#told.get(from) ?? 0
    if (pages !== RUN_PAGES_UNTOLD || told >= TELLS_MAX) return
    this.#told.set(from, told + 1)
    out.push(send(from, { kind: "PagesTake", space: this.#space, pages: RUN_PAGES_MAX.bytes }))
  }
}
