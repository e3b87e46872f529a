/**
 * How many pages with their bytes each other node takes in one message.
 *
 * Programs from before `PagesTake` take sixteen and refuse more, so nobody is sent more before he has said that he takes it. A node says it to all
 * with its first request: what comes together is asked for together, so groups that begin small stay so. Who gets a run of just sixteen says it to the
 * sender, who may not have heard or may have forgotten: a few times, since one from before refuses that message, too.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { SendEffect } from "@backplane/foundation-actor/machine"
import { COHERENT_NODES_MAX } from "@backplane/memory-coherence/flow"
import { RUN_PAGES_MAX, RUN_PAGES_UNTOLD, type PagesTake } from "@backplane/memory-contract/coherence-messages"
import type { AgentOptions, AgentOut } from "./agent-options.ts"

type Options = Pick<AgentOptions, "space" | "node" | "nodes" | "nodeActor" | "text">

const TELLS_MAX = 8
const NOTHING: readonly SendEffect<PagesTake>[] = []

export class RunLimits {
  readonly #options: Options
  #isAnnounced = false
  readonly #takes = new Map<ActorId, number>()
  /** How often it was told what is taken here. */
  readonly #told = new Map<ActorId, number>()

  constructor(options: Options) {
    this.#options = options
  }

  /** Once, with the first request: what all other nodes are told. Nothing where pages go as text, which is one by one. */
  announced(): readonly SendEffect<PagesTake>[] {
    const { node, nodes, nodeActor, text } = this.#options
    if (this.#isAnnounced || text === undefined) return NOTHING
    this.#isAnnounced = true
    return Array.from({ length: nodes }, (_, other) => other)
      .filter((other) => other !== node)
      .map((other) => this.#take(nodeActor(other)))
  }

  #take(to: ActorId): SendEffect<PagesTake> {
    return send(to, { kind: "PagesTake", space: this.#options.space, pages: RUN_PAGES_MAX.bytes })
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
    out.push(this.#take(from))
  }
}
