/**
 * One hosted actor: its machine, what it still has to handle, its disk and its spans, and whether it is up.
 *
 * It decides nothing: when and why it goes down, and what becomes of effects, is the world's business.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { Agenda, type DueMessage } from "@backplane/foundation-actor/agenda"
import type { Machine } from "@backplane/foundation-actor/machine"
import { SpanBook } from "@backplane/foundation-actor/span-book"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { Disk } from "./disk.ts"
import { seededSpanIds } from "./span-recorder.ts"
import type { Ready } from "./ready-queue.ts"

/** `fresh`: added but not started. */
export type ActorState = "fresh" | "running" | "paused" | "crashed"

/** Makes the machine of an actor's first (1), second (2) … life. */
export type MachineFactory = (incarnation: number) => Machine

export interface ActorHostOptions {
  readonly id: ActorId
  readonly factory: MachineFactory
  /** Source of span ids; null where spans are not recorded. */
  readonly spanIds: Random | null
}

const END_OF_TIME = Number.MAX_SAFE_INTEGER as VirtualTime

export class ActorHost implements Ready {
  readonly id: ActorId
  readonly disk = new Disk()
  rank = 0
  readyAt: VirtualTime | null = null
  state: ActorState = "fresh"
  /** Lives so far; 0 before the first. */
  incarnation = 0
  /** The machine of this life; after a crash, the dead one until the restart: checkers may look. */
  machine: Machine | null = null
  agenda = new Agenda()
  /** Messages in the agenda. */
  waiting = 0
  /** Sends of this life. */
  sent = 0
  spans: SpanBook<VirtualTime> | null = null
  readonly #factory: MachineFactory
  readonly #spanIds: Random | null

  constructor(options: ActorHostOptions) {
    this.id = options.id
    this.#factory = options.factory
    this.#spanIds = options.spanIds
  }

  /** Begins a life. What the machine does at its start is carried out by the caller. */
  begin(): Machine {
    assert(this.state === "fresh" || this.state === "crashed", `${this.id} is not up when it starts`)
    this.state = "running"
    this.incarnation++
    this.sent = 0
    this.spans =
      this.#spanIds === null
        ? null
        : new SpanBook({ actor: this.id, ids: seededSpanIds(this.#spanIds.fork(`${this.id}/${this.incarnation}`)) })
    this.machine = this.#factory(this.incarnation)
    return this.machine
  }

  /** Ends a life: timers, open spans and pending notices are gone; messages on their way stay on their way. */
  end(): void {
    assert(this.state === "running" || this.state === "paused", `${this.id} is up when it crashes`)
    this.state = "crashed"
    this.spans = null
    const before = this.agenda
    this.agenda = new Agenda()
    for (let due = before.take(END_OF_TIME); due !== null; due = before.take(END_OF_TIME))
      if (due.class === "message") this.agenda.addMessage(due)
  }

  hear(message: Omit<DueMessage, "class">): void {
    this.waiting++
    this.agenda.addMessage(message)
  }

  /** When it is next due, not before `now`; null when nothing waits or it is paused. */
  nextReady(now: VirtualTime): VirtualTime | null {
    if (this.state === "paused" || this.state === "fresh") return null
    const next = this.agenda.nextTime()
    return next === null || next > now ? next : now
  }
}
