/**
 * The smallest honest pair for trying the world: a client that counts on a server, over a bus that loses and doubles.
 *
 * The client asks for one increment at a time and repeats until answered; the server applies each (requester, sequence)
 * once and keeps what it owes on its disk. `ToyFaults` takes one virtue away: the planted bugs of the world's own tests.
 */
import type { Json } from "@backplane/foundation-base/json"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { cancel, closeSpan, openSpan, persist, send, timer } from "@backplane/foundation-actor/effects"
import type { Body, Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"

export const CLIENT = actorId("client.0")
export const SERVER = actorId("server.0")

export interface Add extends Body {
  readonly kind: "Add"
  readonly sequence: number
}

export interface Added extends Body {
  readonly kind: "Added"
  readonly sequence: number
  readonly total: number
}

/** `no-suppression`: a repeat is applied again. `no-retry`: the client asks once. `no-persist`: answers before the disk has it. */
export type ToyBug = "none" | "no-suppression" | "no-retry" | "no-persist"

const RETRY_CYCLES = 2000

export class ToyServer implements Machine<Add, Added> {
  readonly #bug: ToyBug
  total = 0
  /** The last sequence applied. Only grows; I1: total equals it. */
  applied = 0
  /** Whom to tell once the disk has it. */
  readonly #owed = new Map<number, ActorId>()

  constructor(bug: ToyBug = "none") {
    this.#bug = bug
  }

  start(_now: VirtualTime, restored: Restored): readonly Effect<Added>[] {
    const saved: Json = restored.get("state") ?? null
    if (Array.isArray(saved)) [this.total, this.applied] = [Number(saved[0]), Number(saved[1])]
    return []
  }

  step(_now: VirtualTime, input: Input<Add>): readonly Effect<Added>[] {
    switch (input.kind) {
      case "message":
        return this.#onAdd(input.from, input.body)
      case "persisted":
        return this.#onPersisted()
      case "timer":
        return []
    }
  }

  #onAdd(from: ActorId, add: Add): readonly Effect<Added>[] {
    const isRepeat = add.sequence <= this.applied
    if (isRepeat && this.#bug !== "no-suppression") return this.#owed.has(add.sequence) ? [] : [this.#answer(from, add.sequence)]
    this.total++
    this.applied = add.sequence
    const write = persist("state", [this.total, this.applied])
    if (this.#bug === "no-persist") return [write, this.#answer(from, add.sequence)]
    this.#owed.set(add.sequence, from)
    return [write]
  }

  #onPersisted(): readonly Effect<Added>[] {
    const answers = [...this.#owed].map(([sequence, from]) => this.#answer(from, sequence))
    this.#owed.clear()
    return answers
  }

  #answer(to: ActorId, sequence: number): Effect<Added> {
    return send(to, { kind: "Added", sequence, total: this.total })
  }
}

export class ToyClient implements Machine<Added, Add> {
  readonly #bug: ToyBug
  readonly #wanted: number
  /** Increments that were answered. */
  done = 0

  constructor(wanted: number, bug: ToyBug = "none") {
    this.#wanted = wanted
    this.#bug = bug
  }

  start(now: VirtualTime): readonly Effect<Add>[] {
    return this.#ask(now)
  }

  step(now: VirtualTime, input: Input<Added>): readonly Effect<Add>[] {
    switch (input.kind) {
      case "message":
        return this.#onAdded(now, input.body)
      case "timer":
        return this.#again(now)
      case "persisted":
        return []
    }
  }

  #onAdded(now: VirtualTime, added: Added): readonly Effect<Add>[] {
    if (added.sequence !== this.done + 1) return []
    this.done++
    return [cancel("retry"), closeSpan("add", { total: added.total }), ...(this.done < this.#wanted ? this.#ask(now) : [])]
  }

  #ask(now: VirtualTime): readonly Effect<Add>[] {
    return [openSpan("add", "toy.add", { sequence: this.done + 1 }, { root: true }), ...this.#again(now)]
  }

  #again(now: VirtualTime): readonly Effect<Add>[] {
    const ask = send<Add>(SERVER, { kind: "Add", sequence: this.done + 1 }, "add")
    return this.#bug === "no-retry" ? [ask] : [ask, timer("retry", after(now, RETRY_CYCLES))]
  }
}
