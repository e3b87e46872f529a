/**
 * Plays the part of a fault plan that happens to actors and partitions: crashes, pauses, who is cut off from whom.
 * (What happens to single messages is the network's.) Each kind draws from a stream of its own, so a change in one
 * leaves the others where they were.
 */
import type { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { ActorState } from "./actor-host.ts"
import type { UnsyncedLoss } from "./disk.ts"
import type { CycleRange, FaultPlan } from "./fault-plan.ts"

/** What the driver needs of the world. */
export interface FaultTarget {
  readonly now: VirtualTime
  /** In the order of actors. */
  readonly actors: readonly ActorId[]
  stateOf(actor: ActorId): ActorState
  at(time: VirtualTime, action: () => void): void
  crash(actor: ActorId, options: { readonly loseUnsynced: boolean | UnsyncedLoss }): void
  restart(actor: ActorId): void
  pause(actor: ActorId): void
  resume(actor: ActorId): void
  partition(groups: readonly (readonly ActorId[])[]): void
  cut(from: readonly ActorId[], to: readonly ActorId[]): void
  healNetwork(): void
  heal(): void
}

export class FaultDriver {
  readonly #plan: FaultPlan
  readonly #target: FaultTarget
  readonly #random: Random
  #stopped = false

  constructor(plan: FaultPlan, target: FaultTarget, random: Random) {
    this.#plan = plan
    this.#target = target
    this.#random = random
  }

  /** Puts the first fault of each kind on the world's list, and the end of all. */
  arm(): void {
    const { partition, crash, pause } = this.#plan
    if (partition !== undefined)
      this.#again(partition.every, this.#random.fork("partition"), (random) => this.#partition(partition, random))
    if (crash !== undefined) this.#again(crash.every, this.#random.fork("crash"), (random) => this.#crash(crash, random))
    if (pause !== undefined) this.#again(pause.every, this.#random.fork("pause"), (random) => this.#pause(pause, random))
    this.#target.at(this.#plan.until, () => {
      if (!this.#stopped) this.#target.heal()
    })
  }

  /** No further fault. */
  stop(): void {
    this.#stopped = true
  }

  #again(every: CycleRange, random: Random, fault: (random: Random) => void): void {
    const time = after(this.#target.now, random.between(every.min, every.max))
    if (time >= this.#plan.until) return
    this.#target.at(time, () => {
      if (this.#stopped) return
      fault(random)
      this.#again(every, random, fault)
    })
  }

  #later(lasting: CycleRange, random: Random, end: () => void): void {
    this.#target.at(after(this.#target.now, random.between(lasting.min, lasting.max)), () => {
      if (!this.#stopped) end()
    })
  }

  #crash(fault: NonNullable<FaultPlan["crash"]>, random: Random): void {
    const down = this.#target.actors.filter((actor) => this.#target.stateOf(actor) === "crashed").length
    const victim = this.#victim(random)
    if (victim === null || down >= (fault.downMax ?? 1)) return
    const loseUnsynced = random.chance(fault.loseUnsynced ?? 0) ? "some" : "none"
    this.#target.crash(victim, { loseUnsynced })
    this.#later(fault.down, random, () => {
      if (this.#target.stateOf(victim) === "crashed") this.#target.restart(victim)
    })
  }

  #pause(fault: NonNullable<FaultPlan["pause"]>, random: Random): void {
    const victim = this.#victim(random)
    if (victim === null || this.#target.actors.some((actor) => this.#target.stateOf(actor) === "paused")) return
    this.#target.pause(victim)
    this.#later(fault.lasting, random, () => {
      if (this.#target.stateOf(victim) === "paused") this.#target.resume(victim)
    })
  }

  #partition(fault: NonNullable<FaultPlan["partition"]>, random: Random): void {
    const actors = random.shuffled(this.#target.actors)
    if (actors.length < 2) return
    const first = random.between(1, actors.length - 1)
    const left = actors.slice(0, first)
    const right = actors.slice(first)
    if (random.chance(fault.oneWay ?? 0)) {
      this.#target.cut(left, right)
    } else if (actors.length > 2 && random.chance(fault.partial ?? 0)) {
      // One actor of the larger side still reaches both.
      const larger = left.length > right.length ? left : right
      const bridge = larger.slice(0, 1)
      this.#target.partition([
        [...bridge, ...left],
        [...bridge, ...right],
      ])
    } else {
      this.#target.partition([left, right])
    }
    this.#later(fault.lasting, random, () => this.#target.healNetwork())
  }

  #victim(random: Random): ActorId | null {
    const spared = new Set(this.#plan.spared ?? [])
    const candidates = this.#target.actors.filter((actor) => this.#target.stateOf(actor) === "running" && !spared.has(actor))
    return candidates.length === 0 ? null : random.pick(candidates)
  }
}
