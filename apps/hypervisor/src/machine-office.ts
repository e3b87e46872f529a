/**
 * Makes, lists and ends whole machines: answers requests on the bus and keeps every actor hosted (see cluster/hosting for the choice).
 *
 * Only carries out: what should run where is decided by `Hosting`, a pure model. What the office knows survives its process, so that a
 * hypervisor that is restarted finds its machines as it left them.
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import type { SchedulerManifest } from "@backplane/cluster-hosting/scheduler-services"
import { Hosting, type AliveNotice, type HostingRequest } from "@backplane/cluster-hosting/hosting"
import type { HostMode } from "@backplane/foundation-runtime/control-protocol"
import type { EventSink } from "@backplane/foundation-runtime/sinks"
import { withoutImages } from "@backplane/scenario-machine/guest-images"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { hostedActors, HYPERVISOR } from "@backplane/scenario-machine/topology"
import type { Msg, NatsConnection } from "@nats-io/nats-core"
import type { ImageFiles } from "./image-files.ts"
import { MachineEndings } from "./machine-endings.ts"
import { OfficeFile } from "./office-file.ts"
import { parseOfficeRequest, refused, type OfficeReply } from "./office-protocol.ts"
import { askProcess, type ProcessReply } from "./process-requests.ts"

const TICK_MILLISECONDS = 500
/** How long the first scenario waits for the other services. */
const FIRST_WAIT_MILLISECONDS = 30_000
const HEARD_ALL_MILLISECONDS = 1_200
/** A request for a machine waits so long for the services that it needs; below the asker's patience. */
const SERVICES_WAIT_MILLISECONDS = 4_000
const MACHINES_SUBJECT = "bp.ctl.machines"
const CLOCK = actorId("clock.0")
/** A process that leaves its machine clock without an answer for so long is given up; the machine goes on without it. */
const CLOCK_DEAD_MILLISECONDS = 3_000
/** Cycles from a persist effect to its notice in lock-step: as in the simulation. */
const PERSIST_CYCLES = 1_000

export interface MachineOfficeOptions {
  readonly connection: NatsConnection
  /** The hypervisor's own process: it hosts the machine clocks. */
  readonly instance: string
  readonly dataFolder: string | null
  /** Names the run of the stack. */
  readonly run: string
  readonly events: EventSink
  /** Where kernels and disks of VMs are brought. */
  readonly images: ImageFiles
}

export class MachineOffice {
  readonly #options: MachineOfficeOptions
  readonly #hosting = new Hosting()
  /** Unix milliseconds of virtual time 0, by machine. */
  readonly #origins = new Map<string, number>()
  readonly #file: OfficeFile
  #timer: NodeJS.Timeout | null = null
  readonly #endings: MachineEndings
  /** By when every live process has said once that it is there. */
  #heardAllAt = 0
  /** The scenario of the stack's start, until all services are there for it. */
  #first: { readonly spec: MachineSpec; readonly until: number } | null = null

  constructor(options: MachineOfficeOptions) {
    this.#options = options
    this.#file = new OfficeFile(options.dataFolder, options.run)
    this.#endings = new MachineEndings({
      ask: ({ instance, ...request }) => this.#request(instance, request),
      living: () => new Set(this.#hosting.instances().map(({ instance }) => instance)),
      forget: (machine) => this.#forget(machine),
      isMachine: (machine) => this.#hosting.machines.has(machine),
      isStopped: () => this.#timer === null,
    })
  }

  async start(first: MachineSpec | null): Promise<void> {
    const { connection } = this.#options
    for (const { origin, ...kept } of this.#file.read()) {
      this.#hosting.restore(Date.now(), kept)
      this.#origins.set(kept.spec.name, origin)
    }
    if (first !== null && !this.#hosting.machines.has(first.name))
      this.#first = { spec: first, until: Date.now() + FIRST_WAIT_MILLISECONDS }
    connection.subscribe("bp.ctl.alive.*", { callback: (error, message) => void (error === null && this.#onAlive(message)) })
    connection.subscribe(MACHINES_SUBJECT, { callback: (error, message) => void (error === null && this.#onRequest(message)) })
    await connection.flush()
    this.#heardAllAt = Date.now() + HEARD_ALL_MILLISECONDS
    this.#timer = setInterval(() => this.#tick(), TICK_MILLISECONDS)
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    await this.#options.connection.close()
  }

  #tick(): void {
    this.#carryOut(this.#hosting.onTick(Date.now()))
    if (this.#first === null || Date.now() < this.#heardAllAt) return
    const { spec, until } = this.#first
    const created = this.#create(spec)
    if (created.ok) this.#first = null
    else if (Date.now() > until) {
      this.#first = null
      this.#say("machine-refused", "error", { "backplane.machine": spec.name, "backplane.reason": String(created["reason"]) })
    }
  }

  #say(name: string, level: "info" | "warn" | "error", fields: Readonly<Record<string, string | number>>): void {
    this.#options.events.event({ name, level, fields })
  }

  #onAlive(message: Msg): void {
    try {
      this.#carryOut(this.#hosting.onAlive(Date.now(), message.json<AliveNotice>()))
    } catch (error) {
      this.#say("message-rejected", "warn", { "backplane.reason": `alive notice: ${String(error)}` })
    }
  }

  async #onRequest(message: Msg): Promise<void> {
    let reply: OfficeReply
    try {
      reply = await this.#answer(message)
    } catch (error) {
      const { field, reason } = error instanceof Rejection ? error : { field: "request", reason: String(error) }
      reply = refused(field, reason)
    }
    message.respond(JSON.stringify(reply))
  }

  async #answer(message: Msg): Promise<OfficeReply> {
    const request = parseOfficeRequest(message.string())
    switch (request.op) {
      case "create":
        return this.#createWhenReady(request.spec)
      case "destroy":
        return this.#destroy(request.machine)
      case "list":
        return {
          ok: true,
          machines: this.#list(),
          instances: this.#hosting.instances().map(({ service, instance, incarnation }) => ({ service, instance, incarnation })),
        }
      case "inspect":
        return this.#inspect(request.machine, request.actor)
      case "attach":
        return this.#attach(request.manifest, request.instance)
      case "leave":
        this.#hosting.services.leave(request.service)
        return { ok: true, service: request.service }
      case "detach":
        this.#hosting.detach(request.service)
        return { ok: true, service: request.service }
      case "services":
        return {
          ok: true,
          services: this.#hosting.services
            .all()
            .map(({ manifest, ...rest }) => ({ ...manifest, features: [...manifest.features], ...rest })),
        }
      case "seat":
        return this.#seat(request.machine, request.service)
      case "image":
        return { ok: true, op: "image", hash: request.piece.hash, have: this.#options.images.put(request.piece) }
    }
  }

  /** Processes say once a second that they are there: what was asked right after the start waits until all have had their say. */
  async #createWhenReady(spec: MachineSpec): Promise<OfficeReply> {
    const deadline = Date.now() + SERVICES_WAIT_MILLISECONDS
    for (;;) {
      if (Date.now() >= this.#heardAllAt) {
        const reply = this.#create(spec)
        if (reply.ok || Date.now() >= deadline || this.#hosting.machines.has(spec.name)) return reply
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  #create(spec: MachineSpec): OfficeReply {
    if (this.#endings.has(spec.name)) return refused("spec", `a machine ${spec.name} is being taken down: try again, or take another name`)
    const made = this.#hosting.create(spec)
    if ("refused" in made) return refused("spec", made.refused)
    // Virtual time begins when all processes have had time to take their actors.
    this.#origins.set(spec.name, Date.now() + 250)
    this.#save()
    if (spec.clock.mode === "lock-step") void this.#hostClock(spec)
    this.#say("machine-created", "info", { "backplane.machine": spec.name, "backplane.policy": spec.schedule.policy })
    this.#carryOut(made.requests)
    return { ok: true, machine: spec.name }
  }

  #attach(manifest: SchedulerManifest, instance: string): OfficeReply {
    const isNew = this.#hosting.services.get(manifest.name)?.instance !== instance
    const attached = this.#hosting.attach(manifest, instance)
    if ("refused" in attached) return refused("manifest", attached.refused)
    if (isNew) this.#say("scheduler-service", "info", { "backplane.policy": manifest.name, "backplane.reason": instance })
    this.#carryOut(attached.requests)
    return { ok: true, service: manifest.name }
  }

  #seat(machine: string, service: string): OfficeReply {
    const added = this.#hosting.addSeat(machine, service)
    if ("refused" in added) return refused(added.field, added.refused)
    this.#carryOut(added.requests)
    const { seat, manifest } = added.attached
    return { ok: true, seat, layout: manifest.layout }
  }

  #destroy(machine: string): OfficeReply {
    const spec = this.#hosting.machines.get(machine)?.spec
    const requests = this.#hosting.destroy(machine)
    if (requests === null || spec === undefined) return refused("machine", `there is no machine ${machine}`)
    this.#origins.delete(machine)
    this.#save()
    const ofClock = { op: "unhost", instance: this.#options.instance, machine, actors: [CLOCK] } as const
    void this.#endings.takeDown(machine, spec.clock.mode === "lock-step" ? [...requests, ofClock] : requests)
    this.#say("machine-destroyed", "info", { "backplane.machine": machine })
    return { ok: true, machine }
  }

  #forget(machine: string): void {
    try {
      this.#file.forget(machine)
    } catch (error) {
      this.#say("machine-leftover", "warn", { "backplane.machine": machine, "backplane.reason": String(error) })
    }
  }

  #list(): Json {
    return [...this.#hosting.machines].map(([machine, { spec, places }]) => ({
      machine,
      mode: spec.clock.mode,
      policy: spec.schedule.policy,
      nodes: spec.topology.nodes,
      cpus: spec.topology.cpus,
      ready: this.#hosting.isReady(machine),
      actors: [...places].map(([actor, { instance, epoch, running }]) => ({ actor, instance, epoch, running })),
    }))
  }

  async #inspect(machine: string, actor: ActorId): Promise<OfficeReply> {
    const hosted = this.#hosting.machines.get(machine)
    if (hosted === undefined) return refused("machine", `there is no machine ${machine}`)
    const place = hosted.places.get(actor)
    if (place === undefined) return refused("actor", `${machine} has no ${actor}`)
    return (await this.#request(place.instance, { op: "inspect", machine, actor })) as OfficeReply
  }

  #carryOut(requests: readonly HostingRequest[]): void {
    for (const request of requests) {
      if (request.op === "unhost") void this.#endings.takeOff(request)
      else void this.#host(request)
    }
    if (requests.length > 0) this.#save()
  }

  async #host(request: Extract<HostingRequest, { op: "host" }>): Promise<void> {
    const spec = this.#hosting.machines.get(request.machine)?.spec
    if (spec === undefined) return
    const { machine, epoch, instance } = request
    // The hypervisor sends the images of guests on with their tasks: nobody else needs them, and they are large.
    const lean = withoutImages(spec) as unknown as Json
    const actors = request.actors.map((id) => ({ id, config: id === HYPERVISOR ? (spec as unknown as Json) : lean }))
    const reply = await this.#request(instance, { op: "host", machine, epoch, mode: this.#modeOf(spec) as unknown as Json, actors })
    if (reply.ok) this.#hosting.onHosted(machine, request.actors)
    else
      this.#say("host-refused", "warn", { "backplane.machine": machine, "backplane.reason": `${instance}: ${reply.field} ${reply.reason}` })
  }

  #modeOf(spec: MachineSpec): HostMode {
    const { mode, latencyCycles, cyclesPerSecond } = spec.clock
    if (mode === "lock-step") return { kind: "lock-step", latencyCycles, persistLatencyCycles: PERSIST_CYCLES }
    return { kind: "free", cyclesPerSecond, originMilliseconds: this.#origins.get(spec.name) ?? Date.now() }
  }

  async #hostClock(spec: MachineSpec): Promise<void> {
    // The runtime makes the clock itself; it runs by the wall, beside the machine that it keeps in step.
    const config = { actors: [...hostedActors(spec)], latencyCycles: spec.clock.latencyCycles, deadMilliseconds: CLOCK_DEAD_MILLISECONDS }
    const mode = { kind: "free" }
    const reply = await this.#request(this.#options.instance, {
      op: "host",
      machine: spec.name,
      epoch: 1,
      mode,
      actors: [{ id: CLOCK, config }],
    })
    if (!reply.ok) this.#say("host-refused", "error", { "backplane.machine": spec.name, "backplane.reason": `${CLOCK}: ${reply.reason}` })
  }

  #request(instance: string, request: Readonly<Record<string, Json>>): Promise<ProcessReply> {
    return askProcess(this.#options.connection, instance, request)
  }

  #save(): void {
    const machines = [...this.#hosting.machines.values()].filter(({ spec }) => spec.clock.mode === "free")
    this.#file.write(
      machines.map(({ spec, places }) => ({
        spec,
        origin: this.#origins.get(spec.name) ?? 0,
        places: [...places].map(([actor, place]) => ({ actor, ...place })),
      })),
    )
  }
}
