/** An actor that does whatever its own seeded chance says, and writes down everything it hears: for the laws of lock-step. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { cancel, persist, send, timer } from "@backplane/foundation-actor/effects"
import type { Body, Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { canonicalJson, type Json } from "@backplane/foundation-base/json"
import { Random } from "@backplane/foundation-base/random"

export interface RandomActorOptions {
  readonly seed: string
  readonly id: ActorId
  readonly peers: readonly ActorId[]
  /** Effects after which it only listens, so that a run ends. */
  readonly effectsMax: number
  /** Scale of its timers, in cycles. */
  readonly horizon: number
}

export class RandomActor implements Machine {
  /** `<time> <input>`, in order. */
  readonly log: string[] = []
  readonly #options: RandomActorOptions
  readonly #random: Random
  #left: number

  constructor(options: RandomActorOptions) {
    this.#options = options
    this.#random = new Random(`${options.seed}/${options.id}`)
    this.#left = options.effectsMax
  }

  start(now: VirtualTime): readonly Effect<Body>[] {
    this.log.push(`${now} start`)
    return this.#act(now, 4)
  }

  step(now: VirtualTime, input: Input<Body>): readonly Effect<Body>[] {
    this.log.push(`${now} ${canonicalJson(input as unknown as Json)}`)
    return this.#act(now, 3)
  }

  #act(now: VirtualTime, most: number): readonly Effect<Body>[] {
    const count = Math.min(this.#left, this.#random.below(most + 1))
    this.#left -= count
    return Array.from({ length: count }, () => this.#effect(now))
  }

  #effect(now: VirtualTime): Effect<Body> {
    const random = this.#random
    const key = `k${random.below(3)}`
    const draw = random.below(10)
    if (draw < 5) return send(random.pick(this.#options.peers), { kind: "Word", number: random.below(1000) } as Body)
    if (draw < 8) return timer(key, virtualTime(Math.max(0, now - 5 + random.below(this.#options.horizon))))
    if (draw < 9) return persist(key, random.below(100))
    return cancel(key)
  }
}
