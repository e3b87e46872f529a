/**
 * When each copy of a message arrives, if at all. Decides at the moment of sending, so a message that is on its way when a
 * partition begins still arrives. Knows no actors but by name, and carries nothing itself.
 *
 * Exact (no plan, or the plan is over): every message takes `latency` cycles; the caller may then skip this class. Links
 * keep their order unless the plan lets a message overtake.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { after, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Random } from "@backplane/foundation-base/random"
import { checkFaultPlan, type CycleRange, type FaultPlan } from "./fault-plan.ts"

export interface NetworkOptions {
  readonly latency: number
  readonly faults: FaultPlan | null
  readonly random: Random
}

interface Link {
  /** The last arrival that the next message may not overtake. */
  lastArrival: number
  /** Nothing arrives before this. */
  clogEnd: number
}

export class Network {
  readonly #latency: number
  readonly #random: Random
  readonly #links = new Map<string, Link>()
  /** Null once the plan is over. */
  #faults: FaultPlan | null
  /** Groups of each actor that is in any; two that are in groups but share none cannot talk. */
  #groups: ReadonlyMap<ActorId, ReadonlySet<number>> = new Map()
  /** Directed links that are down, as `from>to`. */
  readonly #cuts = new Set<string>()
  /** `from>to`, made once a pair: every message asks for its link's name. */
  readonly #names = new Map<ActorId, Map<ActorId, string>>()

  constructor(options: NetworkOptions) {
    if (options.faults !== null) checkFaultPlan(options.faults)
    this.#latency = options.latency
    this.#faults = options.faults
    this.#random = options.random
  }

  /** True when every message simply takes the latency. */
  get isExact(): boolean {
    return this.#faults === null && this.#groups.size === 0 && this.#cuts.size === 0 && this.#links.size === 0
  }

  /** Only actors that share a group can talk; one that is in no group talks with all. Replaces the partition before. */
  partition(groups: readonly (readonly ActorId[])[]): void {
    const memberships = new Map<ActorId, Set<number>>()
    groups.forEach((group, index) => {
      for (const actor of group) memberships.set(actor, (memberships.get(actor) ?? new Set<number>()).add(index))
    })
    this.#groups = memberships
  }

  /** Nothing from `from` reaches `to`; the other way is open. */
  cut(from: readonly ActorId[], to: readonly ActorId[]): void {
    for (const source of from) for (const target of to) if (source !== target) this.#cuts.add(this.#linkName(source, target))
  }

  /** What is sent from `from` to `to` waits until `end`. */
  clog(from: ActorId, to: ActorId, end: VirtualTime): void {
    const link = this.#link(from, to)
    link.clogEnd = Math.max(link.clogEnd, end)
  }

  /** Opens all links; messages that already wait for the end of a clog still come then, and in order. */
  heal(): void {
    this.#groups = new Map()
    this.#cuts.clear()
    for (const link of this.#links.values()) link.clogEnd = 0
  }

  /** Opens the links among `actors` only. */
  healAmong(actors: readonly ActorId[]): void {
    const healed = new Map(this.#groups)
    // A group of their own joins them without cutting them off from whom they reached before.
    const core = -1
    for (const actor of actors) {
      const groups = healed.get(actor)
      if (groups !== undefined) healed.set(actor, new Set([...groups, core]))
      for (const other of actors) {
        this.#cuts.delete(this.#linkName(actor, other))
        const link = this.#links.get(this.#linkName(actor, other))
        if (link !== undefined) link.clogEnd = 0
      }
    }
    this.#groups = healed
  }

  /** From now on only scripted partitions, cuts and clogs disturb. */
  endFaults(): void {
    this.#faults = null
  }

  isCut(from: ActorId, to: ActorId): boolean {
    if (from === to) return false
    if (this.#cuts.size > 0 && this.#cuts.has(this.#linkName(from, to))) return true
    const sources = this.#groups.get(from)
    const targets = this.#groups.get(to)
    if (sources === undefined || targets === undefined) return false
    return ![...sources].some((group) => targets.has(group))
  }

  /** The times at which the message arrives: none when it is lost, two when it is doubled. */
  route(now: VirtualTime, from: ActorId, to: ActorId): readonly VirtualTime[] {
    if (this.isCut(from, to)) return []
    const faults = this.#faults
    if (faults === null) return [this.#inOrder(from, to, after(now, this.#latency))]
    if (this.#happens(faults.loss)) return []
    if (faults.clog !== undefined && this.#random.chance(faults.clog.chance))
      this.clog(from, to, after(now, this.#draw(faults.clog.lasting)))
    const arrivals = [this.#arrival(now, from, to, faults)]
    if (this.#happens(faults.duplication)) arrivals.push(this.#arrival(now, from, to, faults))
    return arrivals
  }

  #arrival(now: VirtualTime, from: ActorId, to: ActorId, faults: FaultPlan): VirtualTime {
    const at = after(now, faults.delay === undefined ? this.#latency : this.#draw(faults.delay))
    if (!this.#happens(faults.reordering)) return this.#inOrder(from, to, at)
    return virtualTime(Math.max(at, this.#links.get(this.#linkName(from, to))?.clogEnd ?? 0))
  }

  #inOrder(from: ActorId, to: ActorId, at: VirtualTime): VirtualTime {
    if (this.#faults === null) {
      const link = this.#links.get(this.#linkName(from, to))
      if (link === undefined) return at
      if (link.lastArrival <= at && link.clogEnd <= at) {
        // Nothing is left of the fault: forget it, and become exact again.
        this.#links.delete(this.#linkName(from, to))
        return at
      }
    }
    const link = this.#link(from, to)
    link.lastArrival = Math.max(at, link.lastArrival, link.clogEnd)
    return virtualTime(link.lastArrival)
  }

  #happens(chance: number | undefined): boolean {
    return chance !== undefined && chance > 0 && this.#random.chance(chance)
  }

  #draw(range: CycleRange): number {
    return this.#random.between(range.min, range.max)
  }

  #linkName(from: ActorId, to: ActorId): string {
    let names = this.#names.get(from)
    if (names === undefined) this.#names.set(from, (names = new Map()))
    let name = names.get(to)
    if (name === undefined) names.set(to, (name = `${from}>${to}`))
    return name
  }

  #link(from: ActorId, to: ActorId): Link {
    const name = this.#linkName(from, to)
    const known = this.#links.get(name)
    if (known !== undefined) return known
    const link: Link = { lastArrival: 0, clogEnd: 0 }
    this.#links.set(name, link)
    return link
  }
}
