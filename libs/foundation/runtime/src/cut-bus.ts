/**
 * A bus that can be cut on purpose: what goes to, and comes from, certain actors is lost, as by a network that is partitioned. For chaos runs on real
 * processes; the cut is said over the control protocol (`cut`), which nobody but operators may ask. Without one it only passes on.
 * It lies between a process and the rest of the machine: actors of one process always reach each other.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"

export class CutBus implements Bus {
  readonly #bus: Bus
  #cut: ReadonlySet<ActorId> | "all" = new Set()
  /** Messages lost so far. */
  lost = 0

  constructor(bus: Bus) {
    this.#bus = bus
  }

  /** From now on these are out of reach; none: the network is whole again. */
  cut(peers: readonly ActorId[] | "all"): void {
    this.#cut = peers === "all" ? peers : new Set(peers)
  }

  publish(envelope: Envelope): void {
    if (this.#isCut(envelope.to)) this.lost++
    else this.#bus.publish(envelope)
  }

  subscribe(machine: string, actor: ActorId, handler: (envelope: Envelope) => void): () => void {
    return this.#bus.subscribe(machine, actor, (envelope) => {
      if (this.#isCut(envelope.from)) this.lost++
      else handler(envelope)
    })
  }

  #isCut(peer: ActorId): boolean {
    return this.#cut === "all" || (this.#cut.size > 0 && this.#cut.has(peer))
  }
}
