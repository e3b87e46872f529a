/**
 * Coordinates a put, delete or update: mints its version, sends the state to the holders, answers when W have it on disk.
 *
 * Invariants:
 * W1 A version is minted on top of all that its writer counted before for the key: by a holder on its own state, by a stand-in on its shelf.
 * W2 A write is answered only after W holders (with sloppy: or stand-ins) told that it is on disk.
 * W3 A version leaves its coordinator at once: the disks of all holders work at the same time, and W2 waits for any W of them. A version that
 *    only others have when the coordinator crashes is told in its next life, which counts under another name.
 * W4 What a holder did not acknowledge in time lies on a shelf, here or at a stand-in, or is left to anti-entropy if the shelf is full.
 * W5 A request that is repeated, here or elsewhere, makes no second event where the first is known; else the join that learns of both mends it.
 * W6 Where a repeat may have been done and forgotten it is not done: it would bring back what was replaced since. Its outcome is unknown.
 * W7 Who tells that the version of a write is dead there, and why is forgotten, does not count for it: the write is not answered as done.
 * W8 One name that callers gave to two requests is one request's: the other is refused, where the first is known.
 */
import { defined } from "@backplane/foundation-base/assert"
import { YoungMap } from "@backplane/foundation-base/young-map"
import { compareActors, type ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { KvRequest, KvSuccess, Operation } from "@backplane/kv-contract/client-messages"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { Dot, KeyState, SessionToken } from "@backplane/kv-contract/versions"
import { partitionOf, placeName } from "@backplane/kv-replication/hash"
import { preferenceList } from "@backplane/kv-replication/partition-map"
import { mapOf } from "@backplane/kv-replication/placement"
import { quorumOf } from "@backplane/kv-replication/quorum"
import { sessionAfter, sessionFloor } from "@backplane/kv-replication/session"
import {
  countedText,
  doneText,
  joinCounted,
  joinDone,
  laterDone,
  mayHaveBeenDone,
  standingOf,
  type RequestName,
} from "@backplane/kv-versioning/done"
import { NOTHING_KNOWN, shownVersions, withoutVersions, writeDelta, writeVersion } from "@backplane/kv-versioning/key-state"
import { isSameDot } from "@backplane/kv-versioning/vector"
import type { ReplicaCore } from "./core.ts"
import type { Place } from "./key-table.ts"
import type { Asked } from "./peer-pace.ts"
import { FORGOTTEN, rejection, REUSED, tooBig, type Rejection } from "./rejections.ts"
import { sizeOf, traceOf } from "./write-traces.ts"

export type WriteOperation = Extract<Operation, { type: "put" | "delete" | "update" }>

interface PendingWrite {
  readonly id: string
  readonly requester: ActorId
  readonly sequence: number
  readonly place: Place
  state: KeyState
  /** The event that it made; null where an earlier attempt had. */
  readonly dot: Dot | null
  /** What others are told: the state, with those of its requests that they may not know of. */
  readonly told: KeyState
  /** Trace that it is followed in. */
  readonly trace: string | undefined
  readonly session: SessionToken | undefined
  readonly needed: number
  readonly sloppy: boolean
  readonly startedAt: number
  /** When it was sent last. */
  sent: Asked
  /** False once it was sent again: an answer may be to either. */
  isFirst: boolean
  /** Holders that have it on disk. */
  readonly acknowledged: Set<ActorId>
  /** Stand-ins that keep it on disk, by the holder they stand in for. */
  held: ReadonlyMap<ActorId, ActorId>
  /** Stand-ins that were asked, with the holder that each stands in for. */
  asked: ReadonlyMap<ActorId, ActorId>
  handedOff: boolean
  answered: boolean
}

/** Most writes need no stand-in, and a map of its own for each of them is dearer than all else about it. */
const NOBODY: ReadonlyMap<ActorId, ActorId> = new Map()

export class WriteCoordinator {
  readonly #core: ReplicaCore
  readonly #pending = new YoungMap<string, PendingWrite>()

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  /** Writes under way. */
  get count(): number {
    return this.#pending.size
  }

  begin(requester: ActorId, request: KvRequest, operation: WriteOperation): void {
    const core = this.#core
    const place: Place = { bucket: operation.bucket, key: operation.key }
    const name = nameOf(requester, request)
    const before = core.isHolder(place) ? core.table.stateOf(place) : this.#onShelf(place)
    const state = this.#after(before, { place, operation, name, age: request.age })
    if ("reason" in state) {
      core.outbox.answer(requester, rejection(request.sequence, state))
      core.book.forget(requester, request.sequence)
      return
    }
    const write = this.#opened(requester, request, { operation, place, state, dot: state === before ? null : this.#latest(place, state) })
    if (!core.isHolder(place)) this.#standIn(write)
    else if (state === before) core.absorb(place, state, { kind: "write", id: write.id })
    else core.keep(place, state, { kind: "write", id: write.id }, write.needed < 2 || write.sloppy)
    this.#replicate(write)
  }

  onDurable(id: string): void {
    const write = this.#pending.get(id)
    if (write === undefined) return
    if (this.#core.isHolder(write.place)) write.acknowledged.add(this.#core.id)
    else write.held = withEntry(write.held, this.#core.id, this.#core.id)
    this.#progress(write)
  }

  onReplicated(from: ActorId, item: PeerItemOf<"replicated">): void {
    const core = this.#core
    const write = this.#pending.get(item.id)
    if (write === undefined) return
    core.pace.answered(from, write.sent, { now: core.now, isFirst: write.isFirst })
    if (!item.ok) return
    if (item.refused !== undefined) {
      const own = write.dot
      if (own !== null && core.rules.mindsRefusals && item.refused.some((dot) => isSameDot(dot, own))) return this.#refused(write)
      write.state = withoutVersions(write.state, item.refused)
    }
    const target = write.asked.get(from)
    if (item.held === true && target !== undefined) write.held = withEntry(write.held, target, from)
    else if (item.held !== true) write.acknowledged.add(from)
    this.#progress(write)
  }

  tick(): void {
    const { timings, now, pace } = this.#core
    const asked = new Set<ActorId>()
    for (const write of this.#pending.values()) {
      const age = now - write.startedAt
      // Nobody is overdue so soon, and nothing is handed off (PeerPace waits for `retry` at least).
      if (now - write.sent.at < timings.retry && age < timings.handoff && age < timings.deadline) continue
      if (!write.handedOff && this.#isToBeHandedOff(write)) this.#handOff(write)
      if (age >= timings.deadline) this.#giveUp(write)
      else if (write.answered && write.handedOff) this.#end(write, "handed off")
      else {
        const overdue = this.#open(write).filter((peer) => pace.isOverdue(peer, write.sent, now))
        if (overdue.length > 0) this.#replicateAgain(write, overdue)
        for (const peer of overdue) asked.add(peer)
      }
    }
    for (const peer of asked) pace.wasAskedAgain(peer)
  }

  /** Holders that answer others are only busy: a hint would be one more thing for them to do. The deadline ends that. */
  #isToBeHandedOff(write: PendingWrite): boolean {
    const { timings, now, pace } = this.#core
    const age = now - write.startedAt
    if (age < timings.handoff) return false
    return age >= timings.deadline || this.#silentKeepers(write).every((keeper) => pace.isSilent(keeper, now, timings.handoff))
  }

  #silentKeepers(write: PendingWrite): ActorId[] {
    const { id } = this.#core
    const silent: ActorId[] = []
    for (const keeper of this.#core.keepers(write.place)) if (keeper !== id && !write.acknowledged.has(keeper)) silent.push(keeper)
    return silent
  }

  /** Who has been sent it and has not answered: keepers, and those asked to stand in for one. */
  #open(write: PendingWrite): ActorId[] {
    if (write.asked.size === 0) return this.#silentKeepers(write)
    const standIns = [...write.asked].filter(([, target]) => !write.held.has(target) && !write.acknowledged.has(target))
    return [...this.#silentKeepers(write), ...standIns.map(([standIn]) => standIn)]
  }

  /** The state with the write in it: as it was where an earlier attempt made it (W5). */
  #after(
    before: KeyState,
    write: { readonly place: Place; readonly operation: WriteOperation; readonly name: RequestName; readonly age: number | undefined },
  ): KeyState | Rejection {
    const standing = standingOf(before.done, write.name)
    if (standing === "done") return before
    if (standing === "reused") return REUSED
    if (this.#mayBeForgotten(before, write)) return FORGOTTEN
    return this.#minted(write.place, before, write)
  }

  /** A repeat behind so many others that nothing would tell whether it was done, or of a key that was let go since (W6). */
  #mayBeForgotten(
    { done }: KeyState,
    { place, name, age }: { readonly place: Place; readonly name: RequestName; readonly age: number | undefined },
  ): boolean {
    const { rules, table } = this.#core
    if (age === undefined || !rules.refusesForgotten) return false
    return mayHaveBeenDone(done, name, this.#core.timeBefore(age), rules.mindsCollected ? table.forgottenUpTo(place) : 0)
  }

  /** The state with the new version on top (W1). */
  #minted(
    place: Place,
    before: KeyState,
    { operation, name }: { readonly operation: WriteOperation; readonly name: RequestName },
  ): KeyState | Rejection {
    const core = this.#core
    const reconciler = core.reconciler(place.bucket)
    const seen = ("context" in operation ? operation.context : undefined) ?? {}
    const time = core.nextTime(before.context, seen, sessionFloor(operation.session, place.bucket, place.key))
    const writer = this.#writer(place)
    if (operation.type === "update") {
      if (reconciler.crdt === null) return { reason: "wrong-operation", field: "type", remedy: "this bucket has no data type: put a value" }
      const result = reconciler.crdt.delta(before.crdt ?? reconciler.crdt.empty, operation.operation, { writer, time })
      if ("bad" in result) return { reason: "bad-operation", field: "operation", remedy: result.bad }
      const amount = reconciler.crdt.twice?.amount(operation.operation) ?? 0
      const next = writeDelta(reconciler.crdt.merge, before, {
        dot: [writer, time],
        delta: result.delta,
      })
      const counter = core.versions.keeps(2) ? (reconciler.crdt.twice?.place(operation.operation) ?? null) : null
      const counted = counter === null ? [] : [countedText([writer, time], counter)]
      return this.#named(next, before, doneText(name, [writer, time], amount), counted)
    }
    const value = operation.type === "put" ? operation.value : null
    const state = writeVersion(reconciler, before, { dot: [writer, time], value, seen })
    return tooBig(state) ?? this.#named(state, before, doneText(name, [writer, time], 0))
  }

  /** The name under which this replica makes events of the key. */
  #writer(place: Place): string {
    const core = this.#core
    return core.isHolder(place) ? core.writer : `${core.writer}.h${core.handovers}`
  }

  /** The event that it made last. */
  #latest(place: Place, { context }: KeyState): Dot {
    const writer = this.#writer(place)
    return [writer, defined(context[writer], "it has just made one")]
  }

  /** The request that made the event stands in the state (W5). */
  #named(state: KeyState, before: KeyState, text: string, added: readonly string[] = []): KeyState {
    if (!this.#core.rules.remembersDone) return state
    const done = laterDone(before.done, [text], state.versions) ?? joinDone(before.done, [text], { versions: state.versions }) ?? []
    const counted = joinCounted(before.counted, [...added], done)
    return counted === undefined ? { ...state, done } : { ...state, done, counted }
  }

  #opened(
    requester: ActorId,
    request: KvRequest,
    what: { readonly operation: WriteOperation; readonly place: Place; readonly state: KeyState; readonly dot: Dot | null },
  ): PendingWrite {
    const core = this.#core
    const { operation, place, state, dot } = what
    const bucket = core.bucket(place.bucket)?.bucket ?? {}
    const quorum = quorumOf(core.holders(place).length, bucket, { w: operation.w })
    const needed = "field" in quorum ? core.holders(place).length : core.rules.writesNeeded(quorum)
    const write: PendingWrite = {
      id: core.freshId(),
      requester,
      sequence: request.sequence,
      place,
      state,
      dot,
      told: core.table.unshared(place, state, core.config.epoch),
      trace: request.trace,
      session: operation.session,
      needed,
      sloppy: operation.sloppy ?? ("sloppy" in bucket ? bucket.sloppy === true : false),
      startedAt: core.now,
      sent: core.pace.asked(core.now),
      isFirst: true,
      acknowledged: new Set(),
      held: NOBODY,
      asked: NOBODY,
      handedOff: false,
      answered: false,
    }
    this.#pending.set(write.id, write)
    if (request.trace !== undefined) {
      core.traces.remember(state, request.trace)
      const attributes = { "backplane.key": placeName(place.bucket, place.key), "backplane.bytes": sizeOf([state]) }
      core.outbox.effect(openSpan(spanOf(write), "kv.write", attributes, { parent: traceOf(request.trace) }))
    }
    return write
  }

  #onShelf(place: Place): KeyState {
    const { shelf, rules } = this.#core
    const states = this.#core.holders(place).flatMap((target) => shelf.of(target, place.bucket, place.key)?.state ?? [])
    return states.reduce((joined, state) => rules.join(this.#core.reconciler(place.bucket), joined, state), NOTHING_KNOWN)
  }

  /** This replica holds nothing of the partition: it keeps the write for all who do. */
  #standIn(write: PendingWrite): void {
    const { place, state, id } = write
    const targets = this.#core.holders(place)
    // Only where every holder's shelf has room may the write count as kept.
    for (const [index, target] of targets.entries()) {
      const waiter = index === targets.length - 1 ? ({ kind: "write", id } as const) : null
      if (!this.#core.shelve({ target, ...place, state }, waiter)) return
    }
  }

  #replicateAgain(write: PendingWrite, to: readonly ActorId[]): void {
    write.isFirst = false
    this.#replicate(write, to)
  }

  #replicate(write: PendingWrite, to: readonly ActorId[] = this.#open(write)): void {
    const core = this.#core
    write.sent = core.pace.asked(core.now)
    const item = {
      type: "replicate",
      id: write.id,
      ...write.place,
      state: write.told,
      reason: "write",
      // Who takes it may be the only holder that has it when it is answered.
      ...(write.sloppy && core.versions.keeps(2) ? { weak: true } : {}),
    } satisfies PeerItemOf<"replicate">
    for (const peer of to) {
      const holdFor = write.asked.get(peer)
      if (holdFor !== undefined) core.outbox.send(peer, { ...item, reason: "hint", holdFor })
      // What is followed travels by itself, so that its steps are found in its trace alone.
      else if (write.trace === undefined) core.outbox.send(peer, item)
      else core.outbox.send(peer, { ...item, trace: write.trace }, spanOf(write))
    }
  }

  /** Holders that are silent get a hint: on the own shelf, and with sloppy at a stand-in, which counts (W4). */
  #handOff(write: PendingWrite): void {
    const core = this.#core
    write.handedOff = true
    const silent = this.#silentKeepers(write)
    const standIns = preferenceList(mapOf(core.config), partitionOf(write.place.bucket, write.place.key))
      .slice(core.holders(write.place).length)
      .filter((member) => member !== core.id)
    for (const [index, target] of silent.entries()) {
      if (core.isHolder(write.place)) core.shelve({ target, ...write.place, state: write.state }, null)
      const standIn = standIns[index]
      if (write.sloppy && standIn !== undefined) write.asked = withEntry(write.asked, standIn, target)
    }
    if (write.asked.size > 0) this.#replicateAgain(write, this.#open(write))
  }

  #progress(write: PendingWrite): void {
    const core = this.#core
    const counts = (id: ActorId): boolean => write.acknowledged.has(id) || (write.sloppy && write.held.has(id))
    if (!write.answered && this.#isMet(write, counts)) {
      write.answered = true
      const answer = this.#success(write)
      core.book.set(write.requester, write.sequence, answer)
      core.outbox.answer(write.requester, answer)
    }
    if (!write.answered) return
    const isEverywhere = core.keepers(write.place).every((keeper) => write.acknowledged.has(keeper))
    if (isEverywhere) core.table.shared(write.place, write.state.done, core.config.epoch)
    if (isEverywhere || write.handedOff) this.#end(write, write.handedOff ? "handed off" : null)
  }

  /** A stand-in that coordinates counts for itself as one of those it stands in for. */
  #isMet(write: PendingWrite, counts: (id: ActorId) => boolean): boolean {
    const core = this.#core
    const own = write.sloppy && write.held.has(core.id) && !core.isHolder(write.place) ? 1 : 0
    return core.isQuorum(write.place, counts, write.needed - own)
  }

  /** Up to this time all events of this life were told to another holder, or are given up. */
  toldUpTo(): number {
    const { id, writer, time } = this.#core
    let told = time
    for (const { acknowledged, state } of this.#pending.values())
      if (acknowledged.size === 0 || (acknowledged.size === 1 && acknowledged.has(id)))
        told = Math.min(told, (state.context[writer] ?? time) - 1)
    return told
  }

  /** Somebody has just learned of a later configuration: what it refused is sent again at once. */
  hurry(): void {
    for (const write of this.#pending.values()) this.#replicateAgain(write, this.#open(write))
  }

  /** Whether a write to the partition is not finished. */
  isBusyWith(partition: number): boolean {
    for (const { place } of this.#pending.values()) if (partitionOf(place.bucket, place.key) === partition) return true
    return false
  }

  #success({ sequence, state, place, session }: PendingWrite): KvSuccess {
    const reconciler = this.#core.reconciler(place.bucket)
    // All values are told, for the context covers them all: who writes with it must have seen what it replaces.
    const answer: KvSuccess = { sequence, ok: true, values: [...reconciler.read(shownVersions(state))], context: state.context }
    if (reconciler.crdt !== null) answer.result = reconciler.crdt.value(state.crdt ?? reconciler.crdt.empty)
    if (session !== undefined) answer.session = sessionAfter(session, { ...place, context: state.context })
    return answer
  }

  #end(write: PendingWrite, why: string | null): void {
    this.#pending.delete(write.id)
    if (write.trace === undefined) return
    const attributes = { "backplane.replicas": [...write.acknowledged].sort(compareActors).join(" ") }
    this.#core.outbox.atEnd(why === null ? closeSpan(spanOf(write), attributes) : closeSpan(spanOf(write), attributes, why))
  }

  /** Others have done and forgotten so much of the key that they took the new version for an old one: nobody keeps it (W7). */
  #refused(write: PendingWrite): void {
    this.#end(write, "taken for replaced by another replica")
    if (write.answered) return
    const { book, outbox } = this.#core
    book.forget(write.requester, write.sequence)
    outbox.answer(write.requester, rejection(write.sequence, FORGOTTEN))
  }

  #giveUp(write: PendingWrite): void {
    this.#end(write, "not acknowledged by enough replicas in time")
    if (write.answered) return
    const { book, outbox } = this.#core
    book.forget(write.requester, write.sequence)
    const have = write.acknowledged.size + write.held.size
    const remedy = `ask again, with the same sequence: ${have} of ${write.needed} replicas acknowledged in time`
    outbox.answer(write.requester, rejection(write.sequence, { reason: "quorum-not-met", remedy, unknown: true }))
  }
}

function withEntry(map: ReadonlyMap<ActorId, ActorId>, key: ActorId, value: ActorId): ReadonlyMap<ActorId, ActorId> {
  return new Map(map).set(key, value)
}

function spanOf({ id }: PendingWrite): string {
  return `write/${id}`
}

/** The name under which a request is remembered with its key: the caller's own where it gave one, so that any gateway may repeat it. */
function nameOf(requester: ActorId, { sequence, idempotency }: KvRequest): RequestName {
  return idempotency === undefined ? [requester, sequence] : [`~${idempotency}`, 1]
}
