/**
 * Scheduler services that are not ours: each attaches with a manifest that says what it is, and is given a seat of its own on a machine when
 * somebody wants it there. A process that has attached hosts nothing but such seats.
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { queuesOfSeat, schedulerActor, type Seat } from "@backplane/scenario-machine/topology"

export interface SchedulerManifest {
  /** By which it is asked for; unlike any policy's. */
  readonly name: string
  readonly version: string
  /** Version of the scheduler contract that it speaks. */
  readonly contract: number
  readonly language: string
  /** The queues that it wants: one for all CPUs, or one a CPU. */
  readonly layout: "all" | "cpu"
  /** What of the contract it makes use of, for people. */
  readonly features: readonly string[]
}

const CONTRACT_NEWEST = 2
const SERVICES_MAX = 16
const FEATURES_MAX = 32
const NAME = /^[a-z][a-z0-9-]{0,31}$/

/** A manifest from outside, or the field that is wrong and why. */
export function parseManifest(value: unknown): SchedulerManifest | { readonly field: string; readonly reason: string } {
  if (typeof value !== "object" || value === null) return { field: "manifest", reason: "a manifest is an object" }
  const field = (name: string): unknown => Reflect.get(value, name) as unknown
  const { name, version, contract, language, layout, features } = {
    ...{ name: field("name"), version: field("version") ?? "0", contract: field("contract") ?? 1 },
    ...{ language: field("language") ?? "", layout: field("layout") ?? "all", features: field("features") ?? [] },
  }
  if (typeof name !== "string" || !NAME.test(name))
    return { field: "manifest.name", reason: "small letters, digits and dashes, at most 32" }
  if (typeof version !== "string" || version.length > 32) return { field: "manifest.version", reason: "a text of at most 32 characters" }
  if (contract !== 1 && contract !== CONTRACT_NEWEST) return { field: "manifest.contract", reason: `1 or ${CONTRACT_NEWEST}` }
  if (typeof language !== "string" || language.length > 32) return { field: "manifest.language", reason: "a text of at most 32 characters" }
  if (layout !== "all" && layout !== "cpu") return { field: "manifest.layout", reason: "all (one queue) or cpu (a queue for each CPU)" }
  const isList = Array.isArray(features) && features.length <= FEATURES_MAX
  if (!isList || !features.every((one) => typeof one === "string" && one.length <= 32))
    return { field: "manifest.features", reason: `at most ${FEATURES_MAX} texts of at most 32 characters` }
  return { name, version, contract, language, layout, features: features as string[] }
}

export interface AttachedService {
  readonly manifest: SchedulerManifest
  /** The process. */
  readonly instance: string
  /** Prefix of its queues, on whatever machine. */
  readonly seat: string
  /** It is giving its machines back, and takes none any more. */
  readonly leaving?: true
}

export class SchedulerServices {
  readonly #services = new Map<string, AttachedService>()

  all(): readonly AttachedService[] {
    return [...this.#services.values()]
  }

  get(name: string): AttachedService | undefined {
    return this.#services.get(name)
  }

  /** Whether this process plays a service, and none of ours. */
  isService(instance: string): boolean {
    return this.all().some((one) => one.instance === instance)
  }

  /** A new process of a service that was there before takes its seat over. Null: there are too many. */
  attach(manifest: SchedulerManifest, instance: string): AttachedService | null {
    const before = this.#services.get(manifest.name)
    if (before === undefined && this.#services.size >= SERVICES_MAX) return null
    const taken = new Set(this.all().map(({ seat }) => seat))
    const free = Array.from({ length: SERVICES_MAX + 1 }, (_, index) => `x${index + 1}`).find((seat) => !taken.has(seat)) as string
    const leaving = before?.leaving === true && before.instance === instance
    const attached = { manifest, instance, seat: before?.seat ?? free, ...(leaving && { leaving: true as const }) }
    this.#services.set(manifest.name, attached)
    return attached
  }

  leave(name: string): void {
    const service = this.#services.get(name)
    if (service !== undefined) this.#services.set(name, { ...service, leaving: true })
  }

  detach(name: string): void {
    this.#services.delete(name)
  }

  restore(services: readonly AttachedService[]): void {
    for (const one of services) this.#services.set(one.manifest.name, one)
  }
}

/** The scheduler actors of a service on a machine with so many CPUs. */
export function seatActors({ manifest, seat }: AttachedService, cpus: number): readonly ActorId[] {
  const all: Seat = { seat, policy: manifest.name, layout: manifest.layout, cpus: null }
  return queuesOfSeat(all, cpus).map((queue) => actorId(schedulerActor(queue)))
}
