/** NATS, and links between those who speak much: what a process uses that serves or asks the store. */
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
}

/** The caller closes it, before the connection. */
export function linkedNatsBus({ connection, events, codec }: LinkedNatsBusOptions): LinkBus {
  return new LinkBus({ far: new NatsBus({ connection, events, codec: withLinks(codec) }), codec, events })
}
