/**
 * A node's part in one shared memory for a holder of another subsystem: the page agent, with what it says gathered by step.
 *
 * The holder says what happens now (`at`), asks and hands on what it hears, and takes what there is to say at the end of its step.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { PageMessage, PagesAdvice, PagesAsk, PagesGone, PagesRun } from "@backplane/memory-contract/coherence-messages"
import type { AgentCounts, AgentOptions, AgentSays } from "./agent-options.ts"
import { PageAgent } from "./page-agent.ts"
import { PageHolds, type CpusNow, type HoldRule } from "./page-holds.ts"
import { gathered } from "./page-runs.ts"
import { isLoadReserved } from "./operation.ts"
import type { SpacePages } from "./page-reports.ts"

export class SpaceMember {
  readonly #agent: PageAgent
  readonly #holds: PageHolds
  #now: VirtualTime
  /** Of the step under way: a step is told by where its effects go. */
  #out: Effect<AgentSays>[] = []

  constructor(options: AgentOptions & { readonly holdRule: HoldRule }, now: VirtualTime) {
    this.#agent = new PageAgent(options)
    this.#holds = new PageHolds(options.holdRule)
    this.#now = now
  }

  at(now: VirtualTime): void {
    this.#now = now
  }

  /** An instruction left for want of the page. True: it may go on; else `onChange` tells. A load-reserved is the first half of a store. */
  access(
    page: number,
    { access, write, instruction }: { readonly access: string; readonly write: boolean; readonly instruction: number },
  ): boolean {
    const wanted = write || (access === "load" && isLoadReserved(instruction))
    return this.#agent.access(this.#now, { page, write: wanted }, this.#out)
  }

  /** A device is to read and write the page. */
  accessForDevice(page: number): boolean {
    return this.#agent.access(this.#now, { page, write: true }, this.#out)
  }

  /** Instructions that these pages were brought for have retired: they are kept for a moment (page-holds.ts). */
  hold(pages: Iterable<number>): void {
    this.#holds.hold(pages, this.#now)
  }

  /** Pages go whose moment is over. When the next one's is, if nothing changes; null: none is held. */
  letGo(cpus: CpusNow): number | null {
    const due = this.#holds.due(this.#now, cpus)
    if (due.length > 0) this.retired(due)
    return this.#holds.nextAt(this.#now, cpus)
  }

  /** What these pages were brought for has been done, and they may go. */
  retired(pages: Iterable<number>): void {
    this.#agent.retired(this.#now, pages, this.#out)
  }

  hear(from: ActorId, body: PageMessage | PagesRun | PagesGone | PagesAdvice): void {
    this.#agent.hearAny(this.#now, from, body, this.#out)
  }

  /** What is held of pages of that home, for its new life; null: its word is old. */
  asked(from: ActorId, ask: PagesAsk): SpacePages | null {
    const pages = this.#agent.asked(from, ask)
    this.#agent.recount(this.#now, this.#out)
    return pages
  }

  onTimer(): void {
    this.#agent.onTimer(this.#now, this.#out)
  }

  counts(): AgentCounts {
    return this.#agent.counts()
  }

  /** What it has to say since it was asked last. */
  takeEffects(): readonly ReturnType<typeof gathered<AgentSays>>[number][] {
    const out = this.#out
    if (out.length === 0) return out
    this.#out = []
    return gathered(out, (to) => this.#agent.runs.of(to))
  }
}
