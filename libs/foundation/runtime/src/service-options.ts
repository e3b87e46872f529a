/**
 * The signature of `startService`: what every app's `main.ts` hands over and what it gets back.
 *
 * ```ts
 * const environment = readServiceEnvironment("cpu-scheduler", process.env, process.argv.slice(2), process.pid)
 * const service = await startService({ service: "cpu-scheduler", environment, actorFactory, codec, events, spans })
 * process.exitCode = await service.stopped
 * ```
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Machine } from "@backplane/foundation-actor/machine"
import type { SpanIdSource } from "@backplane/foundation-actor/span-book"
import type { Json } from "@backplane/foundation-base/json"
import type { ControlReply, ControlRequest } from "./control-protocol.ts"
import type { BodyCodec } from "./body-codec.ts"
import type { HostMode } from "./control-protocol.ts"
import type { ServiceEnvironment } from "./service-environment.ts"
import type { EventSink, SpanSink } from "./sinks.ts"
import type { Store } from "./store.ts"

/** A configuration that the factory cannot use: becomes the rejection of the `host` request. */
export class ActorConfigError extends Error {
  override readonly name = "ActorConfigError"
  /** Path inside the config, `/cpus/0`. */
  readonly field: string

  constructor(field: string, reason: string) {
    super(reason)
    this.field = field
  }
}

/** Makes the machine of one actor. Throws `ActorConfigError` for a kind or a configuration that it does not know. */
export type ActorFactory = (actor: ActorId, config: Json, context: ActorContext) => Machine

export interface ActorContext {
  readonly machine: string
  readonly epoch: number
  readonly mode: HostMode
  /** Called once when this life of the actor is over here: what was opened for it (a file) is closed. The end of the process closes all by itself. */
  readonly whenGone: (then: () => void) => void
}

export interface LinkSettings {
  /** What an actor hears in the name of a peer whose link broke. */
  readonly lost?: Body
  /** May these two have a link? Who may not never sees an offer: services in other languages know the bus alone. Default: any two. */
  readonly between?: (own: ActorId, far: ActorId) => boolean
}

export interface ServiceOptions {
  /** Kind of service: `cpu-scheduler`. Its NATS user and `$SRV` name. */
  readonly service: string
  /** Semantic version shown in `$SRV.INFO`. Default 0.1.0. */
  readonly version?: string
  readonly environment: ServiceEnvironment
  readonly actorFactory: ActorFactory
  readonly codec: BodyCodec
  readonly events: EventSink
  readonly spans: SpanSink
  /** Default: random ids, every root sampled. */
  readonly spanIds?: SpanIdSource
  /** Where actors' state is kept. Default: a file a key in the data folder, or memory where there is none. */
  readonly store?: Store
  /** Lets its actors talk to others over sockets of their own beside the bus (link/link-bus.ts). Default: over the bus alone. */
  readonly links?: LinkSettings
  /** See `NatsBusOptions`. */
  readonly readsFrames?: (to: ActorId) => boolean
  /** Called in the orderly stop, after the actors: flush telemetry here. Has a deadline of 2 s. */
  readonly onStop?: () => Promise<void>
  /** Default: SIGTERM and SIGINT stop the service, as does the death of the parent. Tests set false. */
  readonly handleSignals?: boolean
}

export type ServiceReport = Extract<ControlReply, { op: "report" }>

export interface RunningService {
  readonly service: string
  readonly instance: string
  readonly incarnation: string
  /** Settles when the service has stopped: the exit code, 0 for an orderly stop, 1 after a fatal error. */
  readonly stopped: Promise<number>
  /** What it hosts and has counted so far: the answer to the control request `report`. */
  report(): ServiceReport
  /** Carries out a control request as if it had come over the bus: for a service that hosts actors by itself. */
  control(request: ControlRequest): Promise<ControlReply>
  /** Begins an orderly stop. Every step has a deadline; may be called again without harm. */
  stop(reason: string): Promise<number>
}
