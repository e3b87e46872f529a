/**
 * Whether who takes a partition over may begin to vote on its linear registers, whose log is brought by their leader and not copied.
 *
 * Goal: nobody votes as one that has all while it lacks something that was committed; and a move ends. Procedure: wait for an entry which names the move
 * to be committed here, for then all before it is here too; unless most of the old holders lost nothing and never had any, for then nothing was ever
 * committed. Where too many have lost what they had, or are silent, for the rest to commit, all voters together still may (consensus-group.ts, C6), once
 * all are there. A silent one is waited for a while only; who goes on without it learns before it votes.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { holdersIn } from "@backplane/kv-replication/placement"
import type { ReplicaCore } from "./core.ts"
import type { LinearHost } from "./linear-host.ts"

/** A holder that is silent for so long may never come back. */
const FORSAKEN_CYCLES = 30_000_000

/** What a holder has of a partition's registers; lost: it may have had some. */
export type Registers = "some" | "none" | "lost"

/** A partition that comes, under the configuration of `epoch`, and what its old holders told so far. */
export interface Coming {
  readonly partition: number
  readonly epoch: number
  readonly registers: ReadonlyMap<ActorId, Registers>
}

export class RegisterWait {
  readonly #core: ReplicaCore
  readonly #linear: LinearHost
  readonly #awaited = new Map<number, { readonly epoch: number; readonly since: number }>()

  constructor(core: ReplicaCore, linear: LinearHost) {
    this.#core = core
    this.#linear = linear
  }

  /** Partitions that wait. */
  get count(): number {
    return this.#awaited.size
  }

  /** `comes`: whether the partition is still to come to this replica. */
  reconfigured(comes: (partition: number) => boolean): void {
    for (const [partition, { epoch }] of this.#awaited)
      if (this.#core.config.changed[partition] !== epoch || !comes(partition)) this.#awaited.delete(partition)
  }

  /** What this replica itself has. */
  own(partition: number): Registers {
    if (this.#linear.isDamaged(partition)) return "lost"
    return this.#linear.isActive(partition) ? "some" : "none"
  }

  /** Those that wait come last: they keep nobody waiting. */
  inTurn(partitions: readonly number[]): readonly number[] {
    const awaited = this.#awaited
    if (awaited.size === 0) return partitions
    return [...partitions.filter((each) => !awaited.has(each)), ...partitions.filter((each) => awaited.has(each))]
  }

  /** learns: it may vote once the disk has it that it learns. */
  verdict(coming: Coming): "may-vote" | "learns" | "waits" {
    if (this.#isHere(coming)) return "may-vote"
    const { partition, epoch } = coming
    const { now } = this.#core
    const since = this.#awaited.get(partition)?.since ?? now
    if (!this.#isForsaken(coming, now - since)) {
      this.#awaited.set(partition, { epoch, since })
      this.#linear.rouse(partition)
      return "waits"
    }
    const hasOwn = holdersIn(this.#core.config, partition).includes(this.#core.id)
    return hasOwn || this.#linear.isDamaged(partition) ? "may-vote" : "learns"
  }

  /** The partition came. */
  over(partition: number): void {
    this.#awaited.delete(partition)
  }

  /** Whether what was committed is here, or there was nothing. */
  #isHere(coming: Coming): boolean {
    if ((this.#linear.committedEpoch(coming.partition) ?? -1) >= coming.epoch) return true
    if (!this.#core.rules.awaitsRegisters) return !this.#isMost(coming, ["some"])
    return this.#isMost(coming, ["none"])
  }

  /** Too few are left for a commit, and one of the others may never come back. */
  #isForsaken(coming: Coming, waited: number): boolean {
    if (waited < FORSAKEN_CYCLES || this.#isMost(coming, ["some", "none"])) return false
    return holdersIn(this.#core.config, coming.partition).some((holder) => !coming.registers.has(holder))
  }

  #isMost({ partition, registers }: Coming, kinds: readonly Registers[]): boolean {
    const count = [...registers.values()].filter((each) => kinds.includes(each)).length
    return count > holdersIn(this.#core.config, partition).length / 2
  }
}
