/**
 * What the nodes of one guest say to each other about devices, interrupts and SBI calls, over a network that loses, doubles and reorders:
 * each such message is numbered by receiver, kept and said again until it is acknowledged, and handed on in order and once. A node that does
 * not acknowledge for `deadlineCycles` is taken for dead, and the guest ends: it has harts or devices there.
 *
 * A wrapper: the node inside knows nothing of it. What is said about pages passes by; that protocol does its own repeating.
 */
import { send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { BoardMessage, Hears, LinkAck, LinkFrame, Says } from "./board-messages.ts"

export interface LinkedInside extends Machine<Hears, Says> {
  /** A node of this guest does not answer any more. */
  peerLost(node: ActorId): void
}

export interface LinkOptions {
  readonly retryCycles: number
  readonly deadlineCycles: number
  /** The other nodes of the guest: each is told something now and then, so that a death is noticed though nobody has a question. */
  readonly peers: readonly ActorId[]
}

type Effects = Effect<Says | LinkFrame | LinkAck>[]

interface Outgoing {
  next: number
  /** Not acknowledged, in order. */
  readonly kept: { readonly frame: LinkFrame; saidAt: VirtualTime; readonly firstAt: VirtualTime }[]
  lost: boolean
}

interface Incoming {
  /** The number that is handed on next. */
  next: number
  readonly early: Map<number, BoardMessage>
}

const TIMER = "links"
/** A word in a deadline, where there is nothing else to say: so many. */
const WORDS_A_DEADLINE = 4
const KEPT_MAX = 4_096
const LINKED: ReadonlySet<string> = new Set([
  "IoAsk",
  "IoAnswer",
  "HartLines",
  "SbiAsk",
  "SbiAnswered",
  "HartBegin",
  "HartSoftware",
  "StillThere",
])

export class LinkedNode<Inside extends LinkedInside> implements Machine<Hears | LinkFrame | LinkAck, Says | LinkFrame | LinkAck> {
  readonly inside: Inside
  readonly #options: LinkOptions
  readonly #outgoing = new Map<ActorId, Outgoing>()
  readonly #incoming = new Map<ActorId, Incoming>()
  #timerSet = false
  #saidAt = 0

  constructor(inside: Inside, options: LinkOptions) {
    this.inside = inside
    this.#options = options
  }

  start(now: VirtualTime, restored: Restored): readonly Effect<Says | LinkFrame | LinkAck>[] {
    this.#saidAt = now
    return this.#wrap(now, this.inside.start(now, restored))
  }

  step(now: VirtualTime, input: Input<Hears | LinkFrame | LinkAck>): readonly Effect<Says | LinkFrame | LinkAck>[] {
    if (input.kind === "timer" && input.key === TIMER) return this.#onTimer(now)
    if (input.kind === "message" && input.body.kind === "LinkAck") {
      this.#onAck(input.from, input.body)
      return []
    }
    if (input.kind === "message" && input.body.kind === "LinkFrame") return this.#onFrame(now, input.from, input.body)
    return this.#wrap(now, this.inside.step(now, input as Input<Hears>))
  }

  #onFrame(now: VirtualTime, from: ActorId, { number, body }: LinkFrame): Effects {
    const incoming = this.#incoming.get(from) ?? { next: 1, early: new Map<number, BoardMessage>() }
    this.#incoming.set(from, incoming)
    if (number >= incoming.next && incoming.early.size < KEPT_MAX) incoming.early.set(number, body)
    const out: Effects = []
    for (let next = incoming.early.get(incoming.next); next !== undefined; next = incoming.early.get(incoming.next)) {
      incoming.early.delete(incoming.next)
      incoming.next += 1
      if (next.kind !== "StillThere") out.push(...this.#wrap(now, this.inside.step(now, { kind: "message", from, body: next })))
    }
    out.push(send(from, { kind: "LinkAck", below: incoming.next }))
    return out
  }

  /** Everything below has arrived. */
  #onAck(from: ActorId, { below }: LinkAck): void {
    const outgoing = this.#outgoing.get(from)
    if (outgoing === undefined) return
    const first = outgoing.kept.findIndex(({ frame }) => frame.number >= below)
    outgoing.kept.splice(0, first < 0 ? outgoing.kept.length : first)
  }

  #wrap(now: VirtualTime, effects: readonly Effect<Says>[]): Effects {
    const out: Effects = effects.map((effect) => {
      if (effect.kind !== "send" || !LINKED.has(effect.body.kind)) return effect
      const outgoing = this.#outgoing.get(effect.to) ?? { next: 1, kept: [], lost: false }
      this.#outgoing.set(effect.to, outgoing)
      const frame: LinkFrame = { kind: "LinkFrame", number: outgoing.next++, body: effect.body as BoardMessage }
      if (outgoing.kept.length < KEPT_MAX) outgoing.kept.push({ frame, saidAt: now, firstAt: now })
      else this.#lose(effect.to, outgoing)
      return send(effect.to, frame)
    })
    this.#setTimer(now, out)
    return out
  }

  #onTimer(now: VirtualTime): Effects {
    this.#timerSet = false
    const { retryCycles, deadlineCycles, peers } = this.#options
    const out: Effects = []
    if (now - this.#saidAt >= deadlineCycles / WORDS_A_DEADLINE) {
      this.#saidAt = now
      for (const peer of peers)
        if (this.#outgoing.get(peer)?.lost !== true) out.push(...this.#wrap(now, [send(peer, { kind: "StillThere" })]))
    }
    for (const [to, outgoing] of this.#outgoing)
      for (const each of outgoing.kept) {
        if (outgoing.lost) break
        if (now - each.firstAt >= deadlineCycles) this.#lose(to, outgoing)
        else if (now - each.saidAt >= retryCycles) {
          each.saidAt = now
          out.push(send(to, each.frame))
        }
      }
    this.#setTimer(now, out)
    return out
  }

  #lose(node: ActorId, outgoing: Outgoing): void {
    outgoing.lost = true
    outgoing.kept.length = 0
    this.inside.peerLost(node)
  }

  #setTimer(now: VirtualTime, out: Effects): void {
    if (this.#timerSet) return
    this.#timerSet = true
    const { retryCycles, deadlineCycles } = this.#options
    const waits = [...this.#outgoing.values()].some(({ kept }) => kept.length > 0)
    out.push(timer(TIMER, after(now, waits ? retryCycles : Math.max(retryCycles, Math.floor(deadlineCycles / WORDS_A_DEADLINE)))))
  }
}
