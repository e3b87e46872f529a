/**
 * What a replica finds on its disk when it begins again, and nobody else has heard of.
 *
 * Goal: a replica is killed with a version that only it has, the request behind that version is done by another and replaced, and more requests of the
 * key are done than a key remembers. When the replica comes back nothing says any more that its version is one that was replaced: it would stand beside
 * what replaced it. Such a version was promised to nobody, for its coordinator answers only when another holder has it too. So it may be withdrawn.
 *
 * Procedure: keys with an event of an earlier life that may not have been told are set apart at the start: not shown, not sent, not written upon. The other
 * holders are asked for them. What one of them knows of is kept, and so is everything where one of them does not answer in time or is unsure of itself.
 * What none knows of, and what is older than all that they remember of the key, is withdrawn: the others' state takes its place, with the event
 * counted as seen, so that a copy of it that is still on its way finds it dead.
 *
 * Invariants:
 * L1 Nothing is withdrawn that was answered under W ≥ 2, unless all others that acknowledged it lost it without knowing; where fewer promise it, or a
 *    stand-in may have it, the key is marked on disk (`core.keep`) and never set apart.
 * L2 What comes while a key is apart is kept either way.
 * L3 A key is apart for `deadline` at most.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { KeyState } from "@backplane/kv-contract/versions"
import { placeName } from "@backplane/kv-replication/hash"
import { mayHaveForgotten } from "@backplane/kv-versioning/done"
import { NOTHING_KNOWN } from "@backplane/kv-versioning/key-state"
import { joinVectors } from "@backplane/kv-versioning/vector"
import type { ReplicaCore } from "./core.ts"
import type { Waiter } from "./durable-writes.ts"
import type { KeyRecord, Place } from "./key-table.ts"

/** Keys that may be apart at a time; what is found beyond that is taken as it is. */
const APART_MAX = 4096

interface Apart {
  readonly place: Place
  readonly id: string
  readonly found: KeyState
  /** The join of all that came meanwhile. */
  since: KeyState
  readonly others: readonly ActorId[]
  readonly answers: Map<ActorId, KeyState>
  readonly startedAt: number
  askedAt: number
  readonly waiters: Waiter[]
}

export class LoneVersions {
  readonly #core: ReplicaCore
  /** All events up to here were told to others in the life that made them; null: nothing is known of that. */
  #told: number | null = null
  #found: KeyRecord[] = []
  readonly #apart = new Map<string, Apart>()
  readonly #names = new Map<string, string>()

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  /** Keys that are apart. */
  get count(): number {
    return this.#apart.size
  }

  has({ bucket, key }: Place): boolean {
    return this.#apart.size > 0 && this.#apart.has(placeName(bucket, key))
  }

  /** Before anything is restored: up to where the lives before had told others of their events. */
  toldUpTo(time: number | null): void {
    this.#told = this.#core.rules.withdrawsLone ? time : null
  }

  /** One key as it lay on the disk. */
  restored(record: KeyRecord): void {
    const told = this.#told
    if (told === null || this.#found.length >= APART_MAX) return
    const own = `${this.#core.id}@`
    if (Object.entries(record.state.context).some(([writer, count]) => count > told && writer.startsWith(own))) this.#found.push(record)
  }

  /** All is restored: the others are asked. */
  begin(): void {
    const { id } = this.#core
    for (const { bucket, key, state } of this.#found) {
      const place = { bucket, key }
      const [holders, keepers] = [this.#core.holders(place), this.#core.keepers(place)]
      const others = holders.filter((holder) => holder !== id)
      // Of a partition that is moved, and where data was lost, everything is news that may be the last of its kind.
      if (others.length === 0 || others.length === holders.length || keepers.length !== holders.length || this.#core.isUnsure(place))
        continue
      this.#open(place, state, others)
    }
    this.#found = []
  }

  #open(place: Place, found: KeyState, others: readonly ActorId[]): void {
    const core = this.#core
    const name = placeName(place.bucket, place.key)
    const id = core.freshId()
    const apart = {
      place,
      id,
      found,
      since: NOTHING_KNOWN,
      others,
      answers: new Map(),
      startedAt: core.now,
      askedAt: core.now,
      waiters: [],
    }
    this.#apart.set(name, apart)
    this.#names.set(id, name)
    this.#ask(apart)
  }

  #ask({ place, id, others, answers }: Apart): void {
    for (const other of others) if (!answers.has(other)) this.#core.outbox.send(other, { type: "fetch", id, ...place })
  }

  /** `waiter` hears when the key is apart no more. */
  wait({ bucket, key }: Place, waiter: Waiter): void {
    this.#apart.get(placeName(bucket, key))?.waiters.push(waiter)
  }

  /** A state of the key came, and is joined in (L2). */
  came({ bucket, key }: Place, state: KeyState): void {
    if (this.#apart.size === 0) return
    const apart = this.#apart.get(placeName(bucket, key))
    if (apart !== undefined) apart.since = this.#core.rules.join(this.#core.reconciler(bucket), apart.since, state)
  }

  onFetched(from: ActorId, { id, state, unsure }: PeerItemOf<"fetched">): void {
    if (this.#apart.size === 0) return
    const apart = this.#apart.get(this.#names.get(id) ?? "")
    if (apart === undefined || state === undefined || !apart.others.includes(from)) return
    if (unsure) return this.#close(apart)
    apart.answers.set(from, state)
    if (apart.answers.size === apart.others.length) this.#decide(apart)
  }

  /** It will not answer. */
  gone(peer: ActorId): void {
    for (const apart of this.#apart.values()) if (apart.others.includes(peer) && !apart.answers.has(peer)) this.#close(apart)
  }

  tick(): void {
    const { now, timings } = this.#core
    for (const apart of this.#apart.values())
      if (now - apart.startedAt >= timings.deadline) this.#close(apart)
      else if (now - apart.askedAt >= timings.retry) {
        apart.askedAt = now
        this.#ask(apart)
      }
  }

  /** Other holders from now on: nobody knows who has heard of what. */
  reconfigured(): void {
    for (const apart of this.#apart.values()) this.#close(apart)
  }

  #decide(apart: Apart): void {
    const core = this.#core
    const reconciler = core.reconciler(apart.place.bucket)
    const join = (a: KeyState, b: KeyState): KeyState => core.rules.join(reconciler, a, b)
    const known = [...apart.answers.values()].reduce(join, NOTHING_KNOWN)
    if (this.#isForgotten(apart.found, known)) {
      const state = join(known, apart.since)
      core.keep(apart.place, { ...state, context: joinVectors(apart.found.context, state.context) }, null)
      for (const target of apart.others) {
        const hint = core.shelf.of(target, apart.place.bucket, apart.place.key)
        if (hint !== undefined) core.unshelve(hint)
      }
    }
    this.#close(apart)
  }

  /** Whether there is news here for the others, and all of it is of this replica and older than what they remember. */
  #isForgotten({ context, done }: KeyState, known: KeyState): boolean {
    const news = Object.entries(context).filter(([writer, count]) => count > (known.context[writer] ?? 0))
    const own = `${this.#core.id}@`
    const told = this.#told ?? Infinity
    return (
      news.length > 0 &&
      news.every(([writer, count]) => writer.startsWith(own) && count > told && mayHaveForgotten(known.done, done, [writer, count]))
    )
  }

  #close(apart: Apart): void {
    this.#apart.delete(placeName(apart.place.bucket, apart.place.key))
    this.#names.delete(apart.id)
    this.#core.ready.push(...apart.waiters)
  }
}
