/**
 * Carries out what machines answer: messages onto the simulated bus, timers and disk notices onto the actor's agenda,
 * spans into its book. The counterpart of the live host's effect loop; the order is that of the effects.
 */
import { assert, unreachable } from "@backplane/foundation-base/assert"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Due, DueMessage } from "@backplane/foundation-actor/agenda"
import type { Body, Effect, EventEffect, Input, PersistEffect, SendEffect } from "@backplane/foundation-actor/machine"
import { stepName } from "@backplane/foundation-actor/span-book"
import type { TraceContext } from "@backplane/foundation-actor/trace-context"
import { after, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { ActorHost } from "./actor-host.ts"
import { deepFreeze } from "./deep-freeze.ts"
import type { Network } from "./network.ts"
import type { ReadyQueue } from "./ready-queue.ts"
import type { RunRecord } from "./run-record.ts"
import type { WorldSettings } from "./world-options.ts"

export interface WorldCounts {
  readonly sent: number
  /** Handed to a machine; copies count. */
  readonly delivered: number
  /** Lost on the way. */
  readonly lost: number
  /** Copies made on the way. */
  readonly doubled: number
  /** Arrived while the receiver was down. */
  readonly lostAtDown: number
  /** Sent to an actor that is not there. */
  readonly unheard: number
  readonly events: number
}

/** A message as it was sent; `copies` is how many will arrive: 0 when it is lost. */
export interface SentMessage {
  readonly at: VirtualTime
  readonly from: ActorId
  readonly to: ActorId
  readonly body: Body
  readonly copies: number
}

export type MessageWatcher = (message: SentMessage) => void
export type EventWatcher = (at: VirtualTime, actor: ActorId, event: EventEffect) => void

export interface EffectCarrierOptions {
  readonly settings: WorldSettings
  readonly network: Network
  readonly record: RunRecord
  readonly ready: ReadyQueue<ActorHost>
  readonly hosts: ReadonlyMap<ActorId, ActorHost>
}

interface Answer {
  /** Null for a start. */
  readonly input: Input<Body> | null
  readonly context: TraceContext | undefined
  readonly effects: readonly Effect<Body>[]
}

export class EffectCarrier {
  readonly #options: EffectCarrierOptions
  readonly #counts = { sent: 0, delivered: 0, lost: 0, doubled: 0, lostAtDown: 0, unheard: 0, events: 0 }
  readonly #messageWatchers: MessageWatcher[] = []
  readonly #eventWatchers: EventWatcher[] = []
  /** Messages so far of each sender outside the world. */
  readonly #injected = new Map<ActorId, number>()

  constructor(options: EffectCarrierOptions) {
    this.#options = options
  }

  get counts(): WorldCounts {
    return { ...this.#counts }
  }

  onMessage(watch: MessageWatcher): void {
    this.#messageWatchers.push(watch)
  }

  onEvent(watch: EventWatcher): void {
    this.#eventWatchers.push(watch)
  }

  carryOut(now: VirtualTime, host: ActorHost, answer: Answer): void {
    const { effects, input } = answer
    if (input?.kind === "message") this.#counts.delivered++
    const { spans } = host
    spans?.begin(now, { name: stepName(input), context: answer.context }, effects)
    for (const effect of effects) this.#carry(now, host, effect)
    if (spans !== null) this.#options.settings.spans?.add(spans.end(now))
  }

  /** A message of a sender outside the world. */
  inject(now: VirtualTime, message: { readonly from: ActorId; readonly to: ActorId; readonly body: Body }): void {
    const { from, to, body } = message
    const sequence = (this.#injected.get(from) ?? 0) + 1
    this.#injected.set(from, sequence)
    const carried = this.#carried(body)
    this.#options.record.did(now, from, { kind: "send", to, body })
    this.#send(now, to, { from, sequence, body: carried })
  }

  /** What comes to a crashed actor is lost. */
  loseAtDown(now: VirtualTime, host: ActorHost, due: Due): void {
    assert(due.class === "message", "only messages come to a crashed actor")
    this.#counts.lostAtDown++
    this.#options.record.note(now, host.id, `is down: lost ${due.body.kind} from ${due.from}`)
  }

  #carry(now: VirtualTime, host: ActorHost, effect: Effect<Body>): void {
    // Frozen before its text is made: what is frozen is written out once.
    if (effect.kind === "send") deepFreeze(effect.body)
    else if (effect.kind === "persist") deepFreeze(effect.value)
    this.#options.record.did(now, host.id, effect)
    switch (effect.kind) {
      case "send":
        return this.#onSend(now, host, effect)
      case "timer":
        return host.agenda.setTimer(effect.key, virtualTime(Math.max(effect.at, now)))
      case "cancel":
        return host.agenda.cancelTimer(effect.key)
      case "persist":
        return this.#onPersist(now, host, effect)
      case "span":
        return host.spans?.effect(now, effect)
      case "event":
        this.#counts.events++
        for (const watch of this.#eventWatchers) watch(now, host.id, effect)
        return
      default:
        return unreachable(effect)
    }
  }

  #onSend(now: VirtualTime, host: ActorHost, effect: SendEffect<Body>): void {
    const trace = host.spans?.contextOf(effect)
    const message = { from: host.id, sequence: ++host.sent, body: this.#carried(effect.body) }
    this.#send(now, effect.to, trace === undefined ? message : { ...message, trace })
  }

  #carried(body: Body): Body {
    const { carry } = this.#options.settings
    deepFreeze(body)
    return carry === null ? body : deepFreeze(carry(body))
  }

  #onPersist(now: VirtualTime, host: ActorHost, effect: PersistEffect): void {
    const syncedAt = after(now, this.#options.settings.persistLatency)
    host.disk.write(effect.key, deepFreeze(effect.value), syncedAt)
    host.agenda.addPersisted(effect.key, syncedAt)
  }

  #send(now: VirtualTime, to: ActorId, message: Omit<DueMessage, "class" | "at">): void {
    const { hosts, network, settings } = this.#options
    this.#counts.sent++
    const target = hosts.get(to)
    let copies = 0
    if (target === undefined) {
      this.#counts.unheard++
      this.#options.record.note(now, message.from, `${to} is not there`)
    } else if (network.isExact) {
      copies = 1
      this.#deliver(target, { ...message, at: after(now, settings.latency) })
    } else {
      copies = this.#route(now, target, message)
    }
    for (const watch of this.#messageWatchers) watch({ at: now, from: message.from, to, body: message.body, copies })
  }

  #route(now: VirtualTime, target: ActorHost, message: Omit<DueMessage, "class" | "at">): number {
    const arrivals = this.#options.network.route(now, message.from, target.id)
    if (arrivals.length === 0) {
      this.#counts.lost++
      this.#options.record.note(now, message.from, `lost #${message.sequence} to ${target.id}`)
    }
    if (arrivals.length > 1) this.#counts.doubled += arrivals.length - 1
    for (const at of arrivals) this.#deliver(target, { ...message, at })
    return arrivals.length
  }

  #deliver(target: ActorHost, message: Omit<DueMessage, "class">): void {
    const { waitingMax } = this.#options.settings
    target.hear(message)
    assert(target.waiting <= waitingMax, `at most ${waitingMax} messages wait for ${target.id} (waitingMax)`)
    if (target.state === "running" || target.state === "crashed") this.#options.ready.lower(target, message.at)
  }
}
