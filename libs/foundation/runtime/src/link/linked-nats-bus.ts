/** NATS, and links between those who speak much: what a process uses that serves or asks the store. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import type { NatsConnection } from "@nats-io/nats-core"
import type { BodyCodec } from "../body-codec.ts"
import { NatsBus } from "../nats-bus.ts"
import type { EventSink } from "../sinks.ts"
import { LinkBus } from "./link-bus.ts"
import { withLinks } from "./link-protocol.ts"

export interface LinkedNatsBusOptions {
  readonly connection: NatsConnection
  readonly events: EventSink
  readonly codec: BodyCodec
  /** What an actor hears in the name of a peer whose link broke. */
  readonly lost?: Body
  /** See `LinkBusOptions`. */
  readonly between?: (own: ActorId, far: ActorId) => boolean
  /** See `NatsBusOptions`. */
  readonly readsFrames?: (to: ActorId) => boolean
}

/** The caller closes it, before the connection. */
export function linkedNatsBus({ connection, readsFrames, ...options }: LinkedNatsBusOptions): LinkBus {
  const { events } = options
  const far = new NatsBus({ connection, events, codec: withLinks(options.codec), ...(readsFrames !== undefined && { readsFrames }) })
  return new LinkBus({ far, ...options })
}
