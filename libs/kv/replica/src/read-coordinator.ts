/**
 * Coordinates a get: asks the holders, answers with the join of R of them, and writes the join back to those that had something else.
 *
 * Invariants:
 * R1 An answer is the join of the states of R holders that are sure of themselves; others help but do not count.
 * R2 No state is shown that is not on the disk of the replica that shows it: what was read cannot be taken back by a crash.
 * R3 With a session token, the answer's context covers what the session knows of the key.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { KvRequest, KvSuccess, Operation } from "@backplane/kv-contract/client-messages"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { KeyState, SessionToken, Vector } from "@backplane/kv-contract/versions"
import { hexOf, partitionOf, placeName } from "@backplane/kv-replication/hash"
import { quorumOf } from "@backplane/kv-replication/quorum"
import { sessionAfter, sessionFloor } from "@backplane/kv-replication/session"
import { NOTHING_KNOWN } from "@backplane/kv-versioning/key-state"
import type { ReplicaCore } from "./core.ts"
import type { Place } from "./key-table.ts"
import { rejection } from "./rejections.ts"

export type Get = Extract<Operation, { type: "get" }>

interface PendingRead {
  readonly id: string
  readonly requester: ActorId
  readonly sequence: number
  readonly place: Place
  readonly session: SessionToken | undefined
  readonly floor: Vector
  readonly needed: number
  readonly startedAt: number
  sentAt: number
  readonly states: Map<ActorId, { readonly state: KeyState; readonly unsure: boolean }>
  answered: boolean
}

export class ReadCoordinator {
  readonly #core: ReplicaCore
  readonly #pending = new Map<string, PendingRead>()

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  get isIdle(): boolean {
    return this.#pending.size === 0
  }

  begin(requester: ActorId, request: KvRequest, get: Get): void {
    const core = this.#core
    const place: Place = { bucket: get.bucket, key: get.key }
    const quorum = quorumOf(core.holders(place).length, core.bucket(place.bucket)?.bucket ?? {}, { r: get.r })
    const read: PendingRead = {
      id: core.freshId(),
      requester,
      sequence: request.sequence,
      place,
      session: get.session,
      floor: sessionFloor(get.session, place.bucket, place.key),
      needed: "field" in quorum ? core.holders(place).length : core.rules.readsNeeded(quorum),
      startedAt: core.now,
      sentAt: core.now,
      states: new Map(),
      answered: false,
    }
    this.#pending.set(read.id, read)
    this.#ask(read)
    this.#progress(read)
  }

  /** What this replica answers to a `fetch`. */
  onFetch(from: ActorId, { id, bucket, key }: Omit<PeerItemOf<"fetch">, "type">): void {
    const core = this.#core
    if (core.bucket(bucket) === undefined) return
    if (core.isUndurable({ bucket, key })) {
      core.whenDurable({ bucket, key }, { kind: "fetch", to: from, id, bucket, key })
      return
    }
    core.outbox.send(from, {
      type: "fetched",
      id,
      state: core.table.stateOf({ bucket, key }),
      unsure: core.unsure.has(partitionOf(bucket, key)),
    })
  }

  /** What this replica knows of a key that one of its own reads asks for is on disk now. */
  onDurable(id: string): void {
    const read = this.#pending.get(id)
    if (read === undefined || this.#core.isUndurable(read.place)) return
    this.#askOwn(read)
    this.#progress(read)
  }

  onFetched(from: ActorId, { id, state, unsure }: PeerItemOf<"fetched">): void {
    const read = this.#pending.get(id)
    if (read === undefined) return
    read.states.set(from, { state, unsure })
    this.#progress(read)
  }

  tick(): void {
    const { timings, now, outbox } = this.#core
    for (const read of [...this.#pending.values()]) {
      const age = now - read.startedAt
      if (read.answered && age >= timings.handoff) this.#finish(read)
      else if (age >= timings.deadline) {
        this.#pending.delete(read.id)
        outbox.answer(read.requester, rejection(read.sequence, this.#whyNot(read)))
        this.#core.book.forget(read.requester, read.sequence)
      } else if (now - read.sentAt >= timings.retry) this.#ask(read)
    }
  }

  #whyNot(read: PendingRead): { readonly reason: "quorum-not-met" | "session-not-met"; readonly remedy: string } {
    const sure = [...read.states.values()].filter(({ unsure }) => !unsure).length
    if (sure < read.needed) return { reason: "quorum-not-met", remedy: `ask again: ${sure} of ${read.needed} replicas answered in time` }
    return { reason: "session-not-met", remedy: "ask again: no replica that answered has all that the session saw" }
  }

  /** Asks the holders that have not answered, or whose answer the session could not use. */
  #ask(read: PendingRead): void {
    const core = this.#core
    read.sentAt = core.now
    for (const holder of core.holders(read.place)) {
      if (holder === core.id) this.#askOwn(read)
      else if (!read.states.has(holder) || !read.answered) core.outbox.send(holder, { type: "fetch", id: read.id, ...read.place })
    }
  }

  #askOwn(read: PendingRead): void {
    const core = this.#core
    if (core.isUndurable(read.place)) {
      core.whenDurable(read.place, { kind: "read", id: read.id })
      return
    }
    const unsure = core.unsure.has(partitionOf(read.place.bucket, read.place.key))
    read.states.set(core.id, { state: core.table.stateOf(read.place), unsure })
  }

  #progress(read: PendingRead): void {
    const { rules, book, outbox } = this.#core
    const answers = [...read.states.values()]
    const counted = answers.filter(({ unsure }) => !unsure || rules.countsUnsure).length
    const joined = this.#joined(read)
    if (!read.answered && counted >= read.needed && rules.meetsFloor(joined.context, read.floor)) {
      read.answered = true
      const answer = this.#success(read, joined)
      book.set(read.requester, read.sequence, answer)
      outbox.answer(read.requester, answer)
    }
    if (read.answered && answers.length === this.#core.holders(read.place).length) this.#finish(read)
  }

  #joined(read: PendingRead): KeyState {
    const { rules } = this.#core
    const reconciler = this.#core.reconciler(read.place.bucket)
    return [...read.states.values()].reduce((joined, { state }) => rules.join(reconciler, joined, state), NOTHING_KNOWN)
  }

  #success(read: PendingRead, joined: KeyState): KvSuccess {
    const { table, rules } = this.#core
    const reconciler = this.#core.reconciler(read.place.bucket)
    const hashes = new Set([...read.states.values()].map(({ state }) => hexOf(rules.stateHash(state) ?? { high: 0, low: 0 })))
    const answer: KvSuccess = {
      sequence: read.sequence,
      ok: true,
      values: [...reconciler.read(joined.versions)],
      context: joined.context,
      staleness: {
        answered: read.states.size,
        apart: hashes.size > 1,
        certifiedAt: table.certifiedAt(partitionOf(read.place.bucket, read.place.key)),
      },
    }
    if (reconciler.crdt !== null) answer.result = reconciler.crdt.value(joined.crdt ?? reconciler.crdt.empty)
    if (read.session !== undefined) answer.session = sessionAfter(read.session, { ...read.place, context: joined.context })
    return answer
  }

  /** Read repair: whoever answered something else than the join gets the join. */
  #finish(read: PendingRead): void {
    const core = this.#core
    this.#pending.delete(read.id)
    const { rules, outbox } = core
    const joined = this.#joined(read)
    const answers = [...read.states].map(([holder, { state }]) => ({ holder, state, hash: rules.stateHash(state) }))
    const wanted = rules.stateHash(joined)
    const behind = answers.filter(({ hash }) => hash?.high !== wanted?.high || hash?.low !== wanted?.low)
    if (behind.length === 0) return
    const reconciler = core.reconciler(read.place.bucket)
    const span = `repair/${read.id}`
    const winner = joined.versions.at(-1)
    const attributes = {
      "backplane.key": placeName(read.place.bucket, read.place.key),
      "backplane.rule": reconciler.rule,
      "backplane.siblings": new Set(answers.flatMap(({ state }) => state.versions.map(({ dot }) => dot.join("#")))).size,
      "backplane.winner": winner === undefined ? "" : winner.dot.join("#"),
    }
    outbox.effect(openSpan(span, "kv.reconcile read-repair", attributes, { root: true }))
    const state = rules.repairState(
      joined,
      answers.map((answer) => answer.state),
    )
    for (const { holder } of behind) {
      if (holder === core.id) core.absorb(read.place, state, null)
      else outbox.send(holder, { type: "replicate", id: read.id, ...read.place, state, reason: "read-repair" }, span)
    }
    outbox.atEnd(closeSpan(span, { "backplane.count": behind.length }))
  }
}
