/**
 * `startService`: what makes a process a part of the back plane.
 *
 * Connects to the bus, answers `$SRV.PING/INFO/STATS` and control requests, says each second that it is alive and what it
 * hosts, and stops in order: no new requests, then the actors, then the bus, then telemetry, each step with a deadline.
 * What the actors are is the app's business (`actorFactory`, `codec`).
 */
import { randomUUID } from "node:crypto"
import type { Bus } from "@backplane/foundation-actor/bus"
import { Svcm, type Service, type ServiceMsg } from "@nats-io/services"
import type { NatsConnection } from "@nats-io/nats-core"
import { ActorHost } from "./actor-host.ts"
import { withClock, withLockstep } from "./clock-actor.ts"
import { connectToBus, watchConnection, type ConnectionWatch } from "./connection.ts"
import type { AliveNotice, ControlReply, ControlRequest, HostMode } from "./control-protocol.ts"
import { CutBus } from "./cut-bus.ts"
import { endsWithin } from "./deadline.ts"
import { FileStore } from "./file-store.ts"
import { LinkBus } from "./link/link-bus.ts"
import { withLinks } from "./link/link-protocol.ts"
import { LocalBus } from "./local-bus.ts"
import { LockstepHost } from "./lockstep-host.ts"
import type { MachineHost, OnFatal } from "./machine-host.ts"
import { NatsBus } from "./nats-bus.ts"
import { PacedClock, wallMilliseconds } from "./paced-clock.ts"
import { watchParent } from "./parent-watch.ts"
import { RandomSpanIds } from "./random-span-ids.ts"
import { RoutedBus } from "./routed-bus.ts"
import { ServiceControl } from "./service-control.ts"
import type { RunningService, ServiceOptions, ServiceReport } from "./service-options.ts"
import { MemoryStore } from "./store.ts"
import { aliveSubject, hostSubject } from "./subjects.ts"

const ALIVE_EVERY_MILLISECONDS = 1_000
const STOP_STEP_MILLISECONDS = 1_500
const STOP_TELEMETRY_MILLISECONDS = 2_000
/** After this a stop that hangs all the same ends the process. */
const STOP_TOTAL_MILLISECONDS = 8_000

export async function startService(options: ServiceOptions): Promise<RunningService> {
  const { service, environment, events } = options
  const connection = await connectToBus(service, environment)
  const incarnation = randomUUID()
  const running = new ServiceProcess(options, connection, incarnation)
  await running.announce()
  events.event({ name: "service.started", level: "info", fields: { service, instance: environment.instance, pid: process.pid } })
  return running
}

class ServiceProcess implements RunningService {
  readonly service: string
  readonly instance: string
  readonly incarnation: string
  readonly stopped: Promise<number>
  readonly #options: ServiceOptions
  readonly #connection: NatsConnection
  readonly #control: ServiceControl
  readonly #nats: NatsBus
  /** Null unless the app asked for links. */
  readonly #links: LinkBus | null
  readonly #watch: ConnectionWatch
  readonly #settle: (code: number) => void
  #registered: Service | null = null
  #alive: NodeJS.Timeout | null = null
  #unwatch: () => void = () => undefined
  #exitCode = 0
  #stopping = false

  constructor(options: ServiceOptions, connection: NatsConnection, incarnation: string) {
    const { service, environment, events, actorFactory } = options
    const codec = withLockstep(options.codec)
    this.#options = options
    this.#connection = connection
    this.service = service
    this.instance = environment.instance
    this.incarnation = incarnation
    let settle: (code: number) => void = () => undefined
    this.stopped = new Promise((resolve) => (settle = resolve))
    this.#settle = settle
    this.#nats = new NatsBus({
      connection,
      events,
      codec: options.links === undefined ? codec : withLinks(codec),
      ...(options.readsFrames !== undefined && { readsFrames: options.readsFrames }),
    })
    this.#links = options.links === undefined ? null : new LinkBus({ far: this.#nats, codec, events, ...options.links })
    const local = new LocalBus({ events, codec })
    const far = new CutBus(this.#links ?? this.#nats)
    const bus = new RoutedBus(local, far)
    this.#watch = watchConnection(connection, events, (subject, reason) => this.#nats.refused(subject, reason))
    this.#control = new ServiceControl({
      service,
      instance: this.instance,
      incarnation,
      pid: process.pid,
      actorFactory: withClock(actorFactory, environment.cyclesPerSecond),
      makeHost: this.#hostMaker(bus),
      cut: (peers) => {
        far.cut(peers)
        return far.lost
      },
      counts: () => {
        // Bytes as the connection counts them: payloads and headers of everything on it, control messages as well.
        const { outBytes: bytesSent, inBytes: bytesReceived } = connection.stats()
        const { sent: localSent, dropped: localDropped } = local.counts
        return {
          ...this.#nats.counts,
          ...linkCounts(this.#links),
          bytesSent,
          bytesReceived,
          localSent,
          localDropped,
          ...this.#watch.counts,
        }
      },
    })
  }

  /** Becomes visible: from here on requests are answered. */
  async announce(): Promise<void> {
    const { service, instance, incarnation } = this
    const { version = "0.1.0", environment, handleSignals = true } = this.#options
    this.#registered = await new Svcm(this.#connection).add({
      name: service,
      version,
      description: `Backplane ${service}`,
      metadata: { instance, incarnation, pid: String(process.pid) },
    })
    this.#registered.addEndpoint("host", { subject: hostSubject(instance), handler: (error, message) => this.#onControl(error, message) })
    await this.#connection.flush()
    this.#sayAlive()
    this.#alive = setInterval(() => this.#sayAlive(), ALIVE_EVERY_MILLISECONDS)
    const unwatchParent =
      environment.parentPid === null ? null : watchParent(environment.parentPid, () => void this.stop("the parent process is gone"))
    const unwatchSignals = handleSignals ? this.#watchSignals() : null
    this.#unwatch = () => {
      unwatchParent?.()
      unwatchSignals?.()
    }
  }

  report(): ServiceReport {
    return this.#control.report()
  }

  control(request: ControlRequest): Promise<ControlReply> {
    return this.#control.answer(request)
  }

  stop(reason: string): Promise<number> {
    if (!this.#stopping) {
      this.#stopping = true
      void this.#stopInOrder(reason)
    }
    return this.stopped
  }

  async #stopInOrder(reason: string): Promise<void> {
    const { events, onStop, handleSignals = true } = this.#options
    events.event({ name: "service.stopping", level: "info", fields: { service: this.service, instance: this.instance, reason } })
    const hard = handleSignals ? setTimeout(() => process.exit(this.#exitCode === 0 ? 1 : this.#exitCode), STOP_TOTAL_MILLISECONDS) : null
    hard?.unref()
    if (this.#alive !== null) clearInterval(this.#alive)
    const isAway = this.#watch.isAway()
    if (this.#registered !== null && !isAway) await endsWithin(STOP_STEP_MILLISECONDS, this.#registered.stop())
    this.#control.stop(reason)
    this.#links?.close()
    this.#nats.flush()
    // Draining hangs where the server is gone: then closing is all that is left.
    if (!isAway) await endsWithin(STOP_STEP_MILLISECONDS, this.#connection.drain())
    // A drain that failed, because the server went in the same moment, leaves a connection that would try again for ever.
    if (!this.#connection.isClosed()) await endsWithin(STOP_STEP_MILLISECONDS, this.#connection.close())
    if (onStop !== undefined) await endsWithin(STOP_TELEMETRY_MILLISECONDS, onStop())
    this.#unwatch()
    if (hard !== null) clearTimeout(hard)
    this.#settle(this.#exitCode)
  }

  #hostMaker(bus: Bus): (machine: string, mode: HostMode) => MachineHost {
    const { environment, events, spans, spanIds = new RandomSpanIds() } = this.#options
    const store = this.#options.store ?? (environment.dataFolder === null ? new MemoryStore() : new FileStore(environment.dataFolder))
    const onFatal: OnFatal = (error, actor) => {
      this.#exitCode = 1
      void this.stop(`${actor}: ${error.message}`)
    }
    return (machineName, mode) => {
      if (mode.kind === "lock-step") {
        const { service, instance, incarnation } = this
        return new LockstepHost({ machineName, service, instance, incarnation, mode, bus, store, events, spans, spanIds, onFatal })
      }
      const { cyclesPerSecond = environment.cyclesPerSecond, originMilliseconds = wallMilliseconds() } = mode
      const clock = new PacedClock({ cyclesPerSecond, originMilliseconds })
      return new ActorHost({ machineName, bus, clock, store, events, spans, spanIds, onFatal })
    }
  }

  #onControl(error: Error | null, message: ServiceMsg): void {
    if (error !== null)
      return this.#options.events.event({ name: "service.control-error", level: "error", fields: { message: error.message } })
    let value: unknown
    try {
      value = message.json()
    } catch {
      message.respond(JSON.stringify({ ok: false, field: "", reason: "the request is no JSON" }))
      return
    }
    void this.#control.answer(value).then((reply) => {
      // Who asks what is hosted here may ask too early or too late; nothing was to be done that was not.
      if (!reply.ok && Reflect.get(Object(value), "op") !== "inspect") {
        const fields = { instance: this.instance, field: reply.field, reason: reply.reason }
        this.#options.events.event({ name: "service.control-refused", level: "warn", fields })
      }
      if (!this.#connection.isClosed()) message.respond(JSON.stringify(reply))
    })
  }

  #sayAlive(): void {
    if (this.#connection.isClosed()) return
    const { service, instance, incarnation } = this
    const notice: AliveNotice = { service, instance, incarnation, pid: process.pid, hosting: this.#control.hosting() }
    this.#connection.publish(aliveSubject(service), JSON.stringify(notice))
  }

  #watchSignals(): () => void {
    const onSignal = (signal: NodeJS.Signals): void => {
      // Asked twice means now.
      if (this.#stopping) process.exit(1)
      void this.stop(signal)
    }
    process.on("SIGTERM", onSignal)
    process.on("SIGINT", onSignal)
    return () => {
      process.removeListener("SIGTERM", onSignal)
      process.removeListener("SIGINT", onSignal)
    }
  }
}

function linkCounts(links: LinkBus | null): Readonly<Record<string, number>> {
  if (links === null) return {}
  const { sent, received, frames, dropped } = links.counts
  return { linkSent: sent, linkReceived: received, linkFrames: frames, linkDropped: dropped, links: links.links }
}
