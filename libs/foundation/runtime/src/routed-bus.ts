/**
 * The bus of a service process: local actors are reached directly, all others over NATS.
 *
 * A local actor hears both: its neighbours through the local bus, the rest of the machine through NATS.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import type { LocalBus } from "./local-bus.ts"

export class RoutedBus implements Bus {
  readonly #local: LocalBus
  readonly #far: Bus

  constructor(local: LocalBus, far: Bus) {
    this.#local = local
    this.#far = far
  }

  publish(envelope: Envelope): void {
    if (this.#local.has(envelope.machine, envelope.to)) this.#local.publish(envelope)
    else this.#far.publish(envelope)
  }

  subscribe(machine: string, actor: ActorId, handler: (envelope: Envelope) => void): () => void {
    const leaveLocal = this.#local.subscribe(machine, actor, handler)
    const leaveFar = this.#far.subscribe(machine, actor, handler)
    return () => {
      leaveLocal()
      leaveFar()
    }
  }
}
