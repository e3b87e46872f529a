/**
 * Keeps every actor of every machine hosted: compares what should run where with what processes say they run, and says what to ask.
 *
 * Pure and level-triggered: each notice of a process states all that it hosts, so a lost request or a restarted process shows as a
 * difference and is asked for again. A new life of an actor gets a higher epoch; actors that wander where they do not belong are
 * taken down.
 */
import { groupBy } from "@backplane/foundation-base/group-by"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { SchedulerServices, seatActors, type AttachedService, type SchedulerManifest } from "./scheduler-services.ts"
import { SERVICE_OF_KIND, planHosting, type Instance } from "./hosting-plan.ts"

/** A process that has not been heard of for so long is gone; its actors are begun again elsewhere. */
export const GONE_MILLISECONDS = 5_000
/** Where `onTick` was not called for so long it was we who stood still, and others are given their time anew. */
export const STOOD_STILL_MILLISECONDS = 2_000
const MACHINES_MAX = 64
/** On the bus or in the data folder the key-value store and the bus's own disk stand where machines of these names would. */
const TAKEN_NAMES: ReadonlySet<string> = new Set(["store", "jetstream"])

export interface HostedActor {
  readonly machine: string
  readonly actor: ActorId
  readonly epoch: number
}

export interface AliveNotice extends Instance {
  readonly hosting: readonly HostedActor[]
}

export type HostingRequest =
  | {
      readonly op: "host"
      readonly instance: string
      readonly machine: string
      readonly epoch: number
      readonly actors: readonly ActorId[]
    }
  | { readonly op: "unhost"; readonly instance: string; readonly machine: string; readonly actors: readonly ActorId[] }

export interface Place {
  instance: string
  /** Process life in which it was placed; null: no process has it. */
  incarnation: string | null
  /** Which life of the actor. */
  epoch: number
  /** The process has said that it hosts it. */
  running: boolean
  /** Of a seat: the scheduler service that was asked for, which alone may host it. */
  service?: string
}

/** A machine as it is kept over a restart of whoever hosts it. */
export interface KeptMachine {
  readonly spec: MachineSpec
  readonly places: readonly ({ readonly actor: ActorId } & Readonly<Place>)[]
}

export interface HostedMachine {
  readonly spec: MachineSpec
  readonly places: Map<ActorId, Place>
}

export class Hosting {
  readonly #instances = new Map<string, { notice: AliveNotice; heardAt: number }>()
  /** Processes that host what was restored, and were not heard of yet: since when they are waited for. */
  readonly #awaited = new Map<string, number>()
  #tickedAt: number | null = null
  readonly #machines = new Map<string, HostedMachine>()
  readonly services = new SchedulerServices()
  /** Processes of services that have detached, not heard of since: they have most likely ended. */
  readonly #former = new Set<string>()

  get machines(): ReadonlyMap<string, HostedMachine> {
    return this.#machines
  }

  instances(): readonly Instance[] {
    return [...this.#instances.values()].map(({ notice }) => notice)
  }

  /** Processes that host what any of their service may. */
  #ordinary(): readonly Instance[] {
    return this.instances().filter(({ instance }) => !this.services.isService(instance) && !this.#former.has(instance))
  }

  /** A process says what scheduler service it is; said again while it lives. Its seats of an earlier process move to it. */
  attach(manifest: SchedulerManifest, instance: string): { readonly refused: string } | { readonly requests: readonly HostingRequest[] } {
    const before = this.services.get(manifest.name)?.instance
    if (this.services.attach(manifest, instance) === null) return { refused: "too many scheduler services have attached; detach one first" }
    if (before === instance) return { requests: [] }
    const requests: HostingRequest[] = []
    for (const machine of this.#machines.values()) {
      for (const place of machine.places.values())
        if (place.service === manifest.name) Object.assign(place, { instance, incarnation: null, epoch: place.epoch + 1, running: false })
      requests.push(...this.#missingOf(machine, instance))
    }
    return { requests }
  }

  detach(service: string): void {
    const instance = this.services.get(service)?.instance
    if (instance !== undefined) this.#former.add(instance)
    this.services.detach(service)
  }

  /** Gives the service its seat on the machine. Its actors have no part in the machine before a swap names them. */
  addSeat(
    machineName: string,
    service: string,
  ):
    | { readonly refused: string; readonly field: string }
    | { readonly attached: AttachedService; readonly requests: readonly HostingRequest[] } {
    const machine = this.#machines.get(machineName)
    const attached = this.services.get(service)
    if (machine === undefined) return { field: "machine", refused: `there is no machine ${machineName}` }
    if (attached === undefined)
      return {
        field: "service",
        refused: `there is no policy and no service ${service}; \`sched list\` and \`sched services\` show them, \`sched attach\` makes a service known`,
      }
    if (attached.leaving === true) return { field: "service", refused: `${service} is ending and takes no machine any more; take another` }
    if (machine.spec.clock.mode !== "free")
      return { field: "machine", refused: `${machineName} is in lock-step, and its actors were fixed when it was made` }
    for (const actor of seatActors(attached, machine.spec.topology.cpus)) {
      const before = machine.places.get(actor)
      if (before?.service === service) continue
      // A service that has gone left the seat: the actor begins anew, with a later epoch, where the present one plays it.
      const epoch = (before?.epoch ?? 0) + 1
      machine.places.set(actor, { instance: attached.instance, incarnation: null, epoch, running: false, service })
    }
    return { attached, requests: this.#missingOf(machine, attached.instance) }
  }

  /** A reason why the machine cannot be made, or the first requests. */
  create(spec: MachineSpec): { readonly refused: string } | { readonly requests: readonly HostingRequest[] } {
    if (TAKEN_NAMES.has(spec.name)) return { refused: `${spec.name} is the name of a part of the stack; take another for the machine` }
    if (this.#machines.has(spec.name)) return { refused: `there is a machine ${spec.name} already; take another name, or destroy it first` }
    if (this.#machines.size >= MACHINES_MAX) return { refused: `there are ${MACHINES_MAX} machines already; destroy one first` }
    const { places, missing } = planHosting(spec, this.#ordinary())
    if (missing.length > 0) return { refused: `no process of ${missing.join(", ")} is running; start the stack with all its services` }
    const machine: HostedMachine = { spec, places: new Map() }
    for (const [actor, instance] of places) {
      const incarnation = this.#instances.get(instance)?.notice.incarnation ?? null
      machine.places.set(actor, { instance, incarnation, epoch: 1, running: false })
    }
    this.#machines.set(spec.name, machine)
    return { requests: this.#missingOf(machine) }
  }

  /** Takes a machine over from an earlier life: processes that still host its actors go on undisturbed, and have their time to say that they are there. */
  restore(now: number, { spec, places }: KeptMachine): void {
    for (const { instance } of places) this.#awaited.set(instance, now)
    this.#machines.set(spec.name, {
      spec,
      places: new Map(places.map(({ actor, ...place }) => [actor, { ...place, running: false }])),
    })
  }

  destroy(name: string): readonly HostingRequest[] | null {
    const machine = this.#machines.get(name)
    if (machine === undefined) return null
    this.#machines.delete(name)
    const byInstance = groupBy([...machine.places], ([, place]) => place.instance)
    return [...byInstance].map(([instance, list]) => ({ op: "unhost", instance, machine: name, actors: list.map(([actor]) => actor) }))
  }

  /** A process says what it hosts. */
  onAlive(now: number, notice: AliveNotice): readonly HostingRequest[] {
    this.#instances.set(notice.instance, { notice, heardAt: now })
    this.#awaited.delete(notice.instance)
    this.#former.delete(notice.instance)
    const requests: HostingRequest[] = []
    const said = new Map(notice.hosting.map((one) => [`${one.machine} ${one.actor}`, one.epoch]))
    for (const machine of this.#machines.values()) {
      for (const [actor, place] of machine.places) {
        if (place.instance !== notice.instance) continue
        if (place.incarnation !== notice.incarnation) this.#beginAgain(place, notice)
        place.running = said.get(`${machine.spec.name} ${actor}`) === place.epoch
      }
      requests.push(...this.#missingOf(machine, notice.instance))
    }
    return [...requests, ...this.#strayed(notice)]
  }

  #beginAgain(place: Place, notice: AliveNotice): void {
    // The first life may have been placed before its process was heard of; any later life is a new epoch.
    if (place.incarnation !== null) place.epoch++
    place.incarnation = notice.incarnation
    place.running = false
  }

  /** Actors that a process hosts and should not: those of machines that are gone, and those that were begun again elsewhere. */
  #strayed(notice: AliveNotice): HostingRequest[] {
    const strays = notice.hosting.filter(({ machine, actor }) => {
      if (SERVICE_OF_KIND[actor.slice(0, actor.indexOf("."))] === undefined) return false
      return this.#machines.get(machine)?.places.get(actor)?.instance !== notice.instance
    })
    return [...groupBy(strays, (one) => one.machine)].map(([machine, list]) => ({
      op: "unhost",
      instance: notice.instance,
      machine,
      actors: list.map((one) => one.actor),
    }))
  }

  /** Time passes: what lay on processes that are gone is begun again on others of the same service. */
  onTick(now: number): readonly HostingRequest[] {
    this.#noteTick(now)
    const gone = [...this.#instances.values()]
      .filter(({ heardAt }) => now - heardAt > GONE_MILLISECONDS)
      .map(({ notice }) => notice.instance)
    for (const instance of gone) {
      this.#instances.delete(instance)
      this.#former.delete(instance)
    }
    for (const [instance, since] of this.#awaited) if (now - since > GONE_MILLISECONDS) this.#awaited.delete(instance)
    const requests: HostingRequest[] = []
    for (const machine of this.#machines.values()) {
      const orphans = [...machine.places].filter(([, { instance }]) => !this.#instances.has(instance) && !this.#awaited.has(instance))
      if (orphans.length === 0) continue
      const { places } = planHosting(machine.spec, this.#ordinary())
      for (const [actor, place] of orphans) {
        const instance = place.service === undefined ? places.get(actor) : this.#instanceOf(place.service)
        if (instance === undefined) continue // no process of the service lives: it waits
        Object.assign(place, {
          instance,
          incarnation: this.#instances.get(instance)?.notice.incarnation ?? null,
          epoch: place.epoch + 1,
          running: false,
        })
      }
      requests.push(...this.#missingOf(machine))
    }
    return requests
  }

  /** What others said while we stood still (paused, a starved host) is not heard yet. */
  #noteTick(now: number): void {
    if (this.#tickedAt !== null && now - this.#tickedAt > STOOD_STILL_MILLISECONDS) {
      for (const heard of this.#instances.values()) heard.heardAt = now
      for (const instance of this.#awaited.keys()) this.#awaited.set(instance, now)
    }
    this.#tickedAt = now
  }

  /** The process of a scheduler service, where it lives. */
  #instanceOf(service: string): string | undefined {
    const instance = this.services.get(service)?.instance
    return instance !== undefined && this.#instances.has(instance) ? instance : undefined
  }

  /** A host request was answered: these run now. */
  onHosted(machine: string, actors: readonly ActorId[]): void {
    for (const actor of actors) {
      const place = this.#machines.get(machine)?.places.get(actor)
      if (place !== undefined) place.running = true
    }
  }

  isReady(machine: string): boolean {
    const places = this.#machines.get(machine)?.places
    return places !== undefined && [...places.values()].every((place) => place.running || place.service !== undefined)
  }

  #missingOf(machine: HostedMachine, only?: string): HostingRequest[] {
    const missing = [...machine.places].filter(([, place]) => !place.running && (only === undefined || place.instance === only))
    return [...groupBy(missing, ([, place]) => `${place.instance} ${place.epoch}`).values()].map((list) => {
      const place = (list[0] as [ActorId, Place])[1]
      return { op: "host", instance: place.instance, machine: machine.spec.name, epoch: place.epoch, actors: list.map(([actor]) => actor) }
    })
  }
}
