/**
 * A process that hosts actors: the bus, telemetry and persistence joined, so that an app says only which actors it can make.
 *
 * Reads all settings from the environment (see runtime's `service-environment.ts` and telemetry's `settings.ts`).
 */
import { flushCompileCache } from "node:module"
import { wallMilliseconds } from "@backplane/foundation-runtime/paced-clock"
import { EnvironmentError, readServiceEnvironment, type ServiceEnvironment } from "@backplane/foundation-runtime/service-environment"
import { startService } from "@backplane/foundation-runtime/service"
import { ActorConfigError, type ActorFactory, type LinkSettings, type RunningService } from "@backplane/foundation-runtime/service-options"
import type { Store } from "@backplane/foundation-runtime/store"
import type { BodyCodec } from "@backplane/foundation-runtime/body-codec"
import { actorIndex, actorKind, type ActorId } from "@backplane/foundation-actor/actor-id"
import { recordBus, recordInbox, type BusCounts } from "@backplane/foundation-telemetry/bus-metrics"
import { startTelemetry, type Telemetry } from "@backplane/foundation-telemetry/telemetry"
import { GoneMachines } from "./gone-machines.ts"

export type Environment = Readonly<Record<string, string | undefined>>

export interface ActorServiceOptions {
  /** Kind of service: its NATS user and `$SRV` name. */
  readonly service: string
  readonly environment: Environment
  readonly codec: BodyCodec
  readonly actorFactory: ActorFactory
  /** Where actors' state is kept, made from the settings. Default: a file a key. */
  readonly store?: (settings: ServiceEnvironment) => Store | Promise<Store>
  /** Lets its actors have links beside the bus: for those who speak much. */
  readonly links?: LinkSettings
  /** More to stop, before telemetry. */
  readonly onStop?: () => Promise<void>
}

export interface ActorService extends RunningService {
  readonly settings: ServiceEnvironment
  readonly telemetry: Telemetry
}

/** Kinds of actor of which there are none in other languages: who has a lot for one that it never heard sends it as frames. */
const ONLY_OURS: ReadonlySet<string> = new Set(["node", "memory"])

/** For those who move pages: links between nodes, memory controllers and page stores; all else (a node's door, schedulers) hears them over the bus. */
export const LINKS_OF_MEMORY: LinkSettings = { between: (own, far) => hasPages(own) && hasPages(far) }

function hasPages(actor: ActorId): boolean {
  return ONLY_OURS.has(actorKind(actor)) && !actorIndex(actor).startsWith("door-")
}

/** How often what the host has counted becomes metrics. */
const METRICS_EVERY_MILLISECONDS = 5_000

/** Tells the metrics what the host of the actors counts about itself. */
function tellMetrics(running: RunningService, telemetry: Telemetry, machines: GoneMachines): void {
  const { actors, bus } = running.report()
  const count = (name: keyof BusCounts): number => bus[name] ?? 0
  // What went over links has been sent and received as much as what went over the bus.
  const linked = (name: "linkSent" | "linkReceived" | "linkFrames" | "linkDropped"): number => bus[name] ?? 0
  const { service } = running
  recordBus(telemetry.metrics, service, {
    sent: count("sent") + linked("linkSent"),
    received: count("received") + linked("linkReceived"),
    frames: count("frames") + linked("linkFrames"),
    malformed: count("malformed"),
    rejected: count("rejected"),
    oversize: count("oversize"),
    dropped: count("dropped") + linked("linkDropped"),
    refused: count("refused"),
    bytesSent: count("bytesSent"),
    bytesReceived: count("bytesReceived"),
    reconnects: count("reconnects"),
  })
  for (const { machine, actor, inboxLength } of actors) recordInbox(telemetry.metrics, { machine, actor, length: inboxLength })
  const hosted = new Set(actors.map(({ machine }) => machine))
  for (const machine of machines.update(hosted, wallMilliseconds())) telemetry.metrics.forget("machine", machine)
}

export async function startActorService(options: ActorServiceOptions): Promise<ActorService> {
  const { service, environment, codec, actorFactory } = options
  const settings = readServiceEnvironment(service, environment, process.argv.slice(2), process.pid)
  const telemetry = startTelemetry({
    service,
    instance: settings.instance,
    environment,
    now: wallMilliseconds,
  })
  const running = await startService({
    service,
    environment: settings,
    actorFactory: (actor, config, context) => {
      try {
        return actorFactory(actor, config, context)
      } catch (error) {
        if (error instanceof Error && "field" in error) throw new ActorConfigError(`/${String(error.field)}`, error.message)
        throw error
      }
    },
    codec,
    readsFrames: (to) => ONLY_OURS.has(actorKind(to)),
    ...(options.links === undefined ? {} : { links: options.links }),
    ...(options.store === undefined ? {} : { store: await options.store(settings) }),
    events: telemetry,
    spans: telemetry,
    spanIds: telemetry.ids,
    onStop: async () => {
      await options.onStop?.()
      await telemetry.shutdown()
    },
  })
  const machines = new GoneMachines()
  const metrics = setInterval(() => tellMetrics(running, telemetry, machines), METRICS_EVERY_MILLISECONDS)
  metrics.unref()
  return Object.assign(running, { settings, telemetry })
}

/** What an app's `main.ts` does: runs until stopped and ends the process with the exit code; bad settings end it with 2. */
export async function runApp(start: (environment: Environment) => Promise<RunningService>): Promise<void> {
  try {
    const service = await start(process.env)
    // Node.js keeps what it compiled (NODE_COMPILE_CACHE) at the end of a process, and a process that is killed has no such end: its next life would
    // take twice the CPU to begin. Nothing where there is no cache, or nothing new for it.
    flushCompileCache()
    process.exitCode = await service.stopped
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = error instanceof EnvironmentError ? 2 : 1
  }
  // Whatever still holds the event loop (a socket that will not close) must not hold the process.
  setTimeout(() => process.exit(), 500).unref()
}
