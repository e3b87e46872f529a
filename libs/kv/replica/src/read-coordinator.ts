/**
 * Coordinates a get: asks the holders, answers with the join of R of them, and writes the join back to those that had something else.
 *
 * Invariants:
 * R1 An answer is the join of the states of R holders that are sure of themselves; others help but do not count.
 * R2 No state is shown that is not on the disk of the replica that shows it: what was read cannot be taken back by a crash.
 * R3 With a session token, the answer's context covers what the session knows of the key.
 * R4 A version that one holder alone knows, and that all others may have forgotten, is not shown (doubts.ts says why), unless one of them does not answer.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import { YoungMap } from "@backplane/foundation-base/young-map"
import type { KvRequest, KvSuccess, Operation } from "@backplane/kv-contract/client-messages"
import type { PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { Dot, KeyState, SessionToken, Vector } from "@backplane/kv-contract/versions"
import { hexOf, placeName } from "@backplane/kv-replication/hash"
import { quorumOf } from "@backplane/kv-replication/quorum"
import { sessionAfter, sessionFloor } from "@backplane/kv-replication/session"
import type { Witness } from "@backplane/kv-versioning/doubt"
import { NOTHING_KNOWN, shownVersions, withoutVersions } from "@backplane/kv-versioning/key-state"
import type { ReplicaCore } from "./core.ts"
import { Hedge } from "./hedge.ts"
import type { Place } from "./key-table.ts"
import type { Asked } from "./peer-pace.ts"
import { sizeOf } from "./write-traces.ts"
import { rejection } from "./rejections.ts"

/** A read that waits this many retries asks another, however long most of them take. */
const HEDGE_RETRIES = 4

/** What may be replaced and forgotten is not shown before all were heard, or this share of the deadline is over. */
const DOUBT_SHARE = 2

/** `known`: see `Waiter`. */
type Fetch = Omit<PeerItemOf<"fetch">, "type"> & { readonly known?: KeyState }

export type Get = Extract<Operation, { type: "get" }>

/** Where answers are there and are not enough, a retry waits at most so many times twice as long as the first. */
const RETRY_DOUBLINGS_MAX = 3

interface PendingRead {
  readonly id: string
  readonly requester: ActorId
  readonly sequence: number
  readonly place: Place
  readonly session: SessionToken | undefined
  readonly floor: Vector
  readonly needed: number
  readonly startedAt: number
  /** When others were asked last. */
  sent: Asked
  /** How often they were asked again. */
  retries: number
  /** Who was asked beside the others because they took long. */
  hedged: ActorId | null
  readonly asked: Set<ActorId>
  /**
   * The own state whose hash goes along with the questions: an answer without a state means this one. It stays the same for the whole read, for an
   * answer does not say which question it belongs to. Null until the own state is known, or where it counts as absent.
   */
  named: { readonly state: KeyState; readonly hash: string } | null
  readonly states: Map<ActorId, Witness>
  /** Since when there are enough answers, and one of them shows what the others may have forgotten: all are waited for, for a while. */
  doubtedAt: number | null
  answered: boolean
  /**
   * Where the own disk is waited for: what was known when that began. It is shown then, though there may be more by that time, not all on disk: a key
   * that is written all the time would be waited for again and again. Null: it is looked up then. Undefined: nothing is waited for.
   */
  own: KeyState | null | undefined
}

export class ReadCoordinator {
  readonly #core: ReplicaCore
  readonly #pending = new YoungMap<string, PendingRead>()
  readonly #hedge: Hedge

  constructor(core: ReplicaCore) {
    this.#core = core
    const { hedge, retry } = core.timings
    this.#hedge = new Hedge({ least: hedge, most: Math.max(hedge, HEDGE_RETRIES * retry) })
  }

  /** Reads under way. */
  get count(): number {
    return this.#pending.size
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
      sent: core.pace.asked(core.now),
      retries: 0,
      hedged: null,
      asked: new Set(),
      named: null,
      states: new Map(),
      doubtedAt: null,
      answered: false,
      own: undefined,
    }
    this.#pending.set(read.id, read)
    this.#begin(read)
    this.#progress(read)
  }

  /** What this replica answers to a `fetch`. */
  onFetch(from: ActorId, { id, bucket, key, hash, known }: Fetch): void {
    const core = this.#core
    if (core.bucket(bucket) === undefined) return
    if (known === undefined && core.isUndurable({ bucket, key })) {
      const present = core.lone.has({ bucket, key }) ? {} : { known: core.table.stateOf({ bucket, key }) }
      core.whenDurable({ bucket, key }, { kind: "fetch", to: from, id, bucket, key, ...(hash === undefined ? {} : { hash }), ...present })
      return
    }
    const unsure = core.isUnsure({ bucket, key })
    if (known === undefined && hash !== undefined && hash === core.table.hashOf({ bucket, key }))
      core.outbox.send(from, { type: "fetched", id, unsure })
    else {
      const state = known ?? core.table.stateOf({ bucket, key })
      const trace = core.traces.isEmpty ? undefined : core.traces.nameOf(state)
      const more = core.versions.keeps(2) ? this.#moreOf({ bucket, key }) : {}
      core.outbox.send(from, { type: "fetched", id, state, unsure, ...more, ...(trace === undefined ? {} : { trace }) })
    }
  }

  /** What decides whether versions are in doubt. */
  #moreOf(place: Place): { readonly collected: number; readonly weak?: true } {
    const { table } = this.#core
    const collected = table.collectedUpTo(place)
    return table.isWeak(place) ? { collected, weak: true } : { collected }
  }

  /** What this replica knows of a key that one of its own reads asks for is on disk now. */
  onDurable(id: string): void {
    const read = this.#pending.get(id)
    if (read === undefined) return
    const { own } = read
    read.own = undefined
    if (own === undefined || own === null) this.#askOwn(read)
    else read.states.set(this.#core.id, this.#core.witnessOf(read.place, own))
    this.#progress(read)
  }

  onFetched(from: ActorId, { id, state, unsure, trace, weak, collected }: PeerItemOf<"fetched">): void {
    const read = this.#pending.get(id)
    if (read === undefined) return
    const isFirst = read.retries === 0 && read.hedged !== from
    this.#core.pace.answered(from, read.sent, { now: this.#core.now, isFirst })
    if (isFirst) this.#hedge.answered(this.#core.now - read.sent.at)
    // So that a repair can point to the writes that it joins, wherever they were made.
    if (trace !== undefined && state !== undefined) this.#core.traces.remember(state, trace)
    const told = state ?? read.named?.state
    if (told === undefined) return
    read.states.set(from, { state: told, unsure, weak: weak === true, collected: collected ?? 0 })
    this.#progress(read)
  }

  tick(): void {
    const { timings, now, outbox, pace } = this.#core
    const askedAgain = new Set<ActorId>()
    for (const read of this.#pending.values()) {
      const age = now - read.startedAt
      if (read.answered && age >= timings.handoff) {
        for (const peer of read.asked) if (!read.states.has(peer)) pace.missed(peer, read.sent)
        this.#finish(read)
      } else if (age >= timings.deadline) {
        this.#pending.delete(read.id)
        outbox.answer(read.requester, rejection(read.sequence, this.#whyNot(read)))
      } else if (read.doubtedAt !== null && now - read.doubtedAt >= timings.deadline / DOUBT_SHARE) this.#progress(read)
      else if (this.#isToBeAskedAgain(read)) {
        for (const peer of read.asked) {
          if (read.states.has(peer)) continue
          askedAgain.add(peer)
          if (pace.isOverdue(peer, read.sent, now)) pace.missed(peer, read.sent)
        }
        this.#ask(read)
      }
    }
    for (const peer of askedAgain) pace.wasAskedAgain(peer)
  }

  /** Whether a read may come to wait for one while there is another to ask. */
  get mayHedge(): boolean {
    return this.#pending.some((read) => !read.answered && read.hedged === null)
  }

  /** Reads that wait longer than most ask one more, who did not have to be asked. */
  hedge(): void {
    const { now, pace } = this.#core
    for (const read of this.#pending.values()) {
      if (read.answered || read.hedged !== null || read.retries > 0 || now - read.startedAt < this.#hedge.cycles) continue
      const others = this.#core.keepers(read.place).filter((keeper) => keeper !== this.#core.id && !read.asked.has(keeper))
      const [other] = others.toSorted((a, b) => pace.rank(a) - pace.rank(b))
      if (other === undefined || !this.#hedge.take()) continue
      read.hedged = other
      this.#askEach(read, [other])
    }
  }

  /** One who was asked is overdue; or all have answered, and that is not enough, or waits for the own disk. */
  #isToBeAskedAgain(read: PendingRead): boolean {
    const { timings, now, pace } = this.#core
    const open = [...read.asked].filter((peer) => !read.states.has(peer))
    if (open.length > 0) return open.some((peer) => pace.isOverdue(peer, read.sent, now))
    return now - read.sent.at >= timings.retry * 2 ** Math.min(read.retries, RETRY_DOUBLINGS_MAX)
  }

  #whyNot(read: PendingRead): { readonly reason: "quorum-not-met" | "session-not-met"; readonly remedy: string } {
    const sure = [...read.states.values()].filter(({ unsure }) => !unsure).length
    if (sure < read.needed) return { reason: "quorum-not-met", remedy: `ask again: ${sure} of ${read.needed} replicas answered in time` }
    return { reason: "session-not-met", remedy: "ask again: no replica that answered has all that the session saw" }
  }

  /**
   * Asks as many as must answer, those first that answered lately: the others are compared by anti-entropy, which costs the reader nothing.
   * Of a partition that is moved, and for a session that may need more than a quorum, all are asked.
   */
  #begin(read: PendingRead): void {
    const core = this.#core
    const keepers = core.keepers(read.place)
    const isOwn = keepers.includes(core.id)
    if (isOwn) this.#askOwn(read)
    const others = keepers.filter((keeper) => keeper !== core.id)
    const isMoved = keepers.length > core.holders(read.place).length
    if (isMoved || read.session !== undefined || core.rules.asksAllForReads) return this.#askEach(read, others)
    this.#hedge.asked()
    const turn = core.now
    const wanted = Math.max(0, read.needed - (isOwn ? 1 : 0))
    // What one step reads goes to the same, in one message. Nearly always one is asked, and it answers.
    const first = others[turn % others.length]
    if (wanted === 1 && first !== undefined && core.pace.rank(first) === 0) return this.#askEach(read, [first])
    const inTurn = others.map((_, index) => others[(index + turn) % others.length] as ActorId)
    const inOrder = inTurn.sort((a, b) => core.pace.rank(a) - core.pace.rank(b))
    this.#askEach(read, inOrder.slice(0, wanted))
  }

  /** Asks all holders that have not answered, or whose answer the session could not use. */
  #ask(read: PendingRead): void {
    const core = this.#core
    read.sent = core.pace.asked(core.now)
    read.retries++
    const keepers = core.keepers(read.place)
    if (keepers.includes(core.id)) this.#askOwn(read)
    this.#askEach(
      read,
      keepers.filter((keeper) => keeper !== core.id && (!read.states.has(keeper) || !read.answered)),
    )
  }

  #askEach(read: PendingRead, keepers: readonly ActorId[]): void {
    const core = this.#core
    read.named ??= this.#named(read)
    const item = { type: "fetch", id: read.id, ...read.place, ...(read.named === null ? {} : { hash: read.named.hash }) } as const
    for (const keeper of keepers) {
      read.asked.add(keeper)
      core.outbox.send(keeper, item)
    }
  }

  /** The own state as this read knows it, which need not be the table's any more. */
  #named({ place, states }: PendingRead): PendingRead["named"] {
    const { table, rules, id } = this.#core
    const state = states.get(id)?.state
    if (state === undefined) return null
    if (table.record(place)?.state !== state) {
      const hash = rules.stateHash(state)
      return hash === null ? null : { state, hash: hexOf(hash) }
    }
    const hash = table.hashOf(place)
    return hash === null ? null : { state, hash }
  }

  #askOwn(read: PendingRead): void {
    const core = this.#core
    if (read.own !== undefined) return
    if (core.isUndurable(read.place)) {
      read.own = core.lone.has(read.place) ? null : core.table.stateOf(read.place)
      core.whenDurable(read.place, { kind: "read", id: read.id })
      return
    }
    read.states.set(core.id, core.witnessOf(read.place, core.table.stateOf(read.place)))
  }

  #progress(read: PendingRead): void {
    const { rules, outbox } = this.#core
    const counts = (id: ActorId): boolean => {
      const answer = read.states.get(id)
      return answer !== undefined && (!answer.unsure || rules.countsUnsure)
    }
    if (!read.answered && this.#core.isQuorum(read.place, counts, read.needed)) {
      if (this.#isInDoubt(read)) {
        read.doubtedAt ??= this.#core.now
        return
      }
      const joined = this.#joined(read)
      if (rules.meetsFloor(joined.context, read.floor)) {
        read.answered = true
        outbox.answer(read.requester, this.#success(read, joined))
      }
    }
    if (read.answered && hasAllAnswers(read)) this.#finish(read)
  }

  /** Who holds the key and has answered, with what they told; null where no version of it can be in doubt. */
  #holdersTold({ place, states }: PendingRead): Witness[] | null {
    const core = this.#core
    if (!core.canDoubt(place.bucket)) return null
    return core.holders(place).flatMap((holder) => states.get(holder) ?? [])
  }

  /** One alone shows a version that the others may have forgotten, and not all were heard: they are asked. */
  #isInDoubt(read: PendingRead): boolean {
    const core = this.#core
    const isOver = read.doubtedAt !== null && core.now - read.doubtedAt >= core.timings.deadline / DOUBT_SHARE
    if (isAgreed(read) || isOver) return false
    const told = this.#holdersTold(read)
    const holders = core.holders(read.place)
    if (told === null || told.length < 2 || told.length === holders.length) return false
    if (core.rules.loneDots(told).length === 0) return false
    this.#askEach(
      read,
      holders.filter((holder) => holder !== core.id && !read.asked.has(holder)),
    )
    return true
  }

  /** Versions that one alone knows, and all others have most likely replaced and forgotten. */
  #refused(read: PendingRead): readonly Dot[] {
    const told = this.#holdersTold(read)
    return told === null || told.length < this.#core.holders(read.place).length ? [] : this.#core.rules.loneDots(told)
  }

  /** The replica will not answer: who waits for it asks all others. */
  gone(peer: ActorId): void {
    for (const read of this.#pending.values()) if (!read.answered && read.asked.has(peer) && !read.states.has(peer)) this.#ask(read)
  }

  /** As the coordinator of writes. */
  hurry(): void {
    for (const read of this.#pending.values()) if (!read.answered) this.#ask(read)
  }

  #joined(read: PendingRead): KeyState {
    const { rules } = this.#core
    const own = read.states.get(this.#core.id)
    if (own !== undefined && isAgreed(read)) return own.state
    const reconciler = this.#core.reconciler(read.place.bucket)
    const joined = [...read.states.values()].reduce((all, { state }) => rules.join(reconciler, all, state), NOTHING_KNOWN)
    return withoutVersions(joined, isAgreed(read) ? [] : this.#refused(read))
  }

  #success(read: PendingRead, joined: KeyState): KvSuccess {
    const { table, rules } = this.#core
    const reconciler = this.#core.reconciler(read.place.bucket)
    const isApart = (): boolean =>
      new Set([...read.states.values()].map(({ state }) => hexOf(rules.stateHash(state) ?? { high: 0, low: 0 }))).size > 1
    const answer: KvSuccess = {
      sequence: read.sequence,
      ok: true,
      values: [...reconciler.read(shownVersions(joined))],
      context: joined.context,
      staleness: {
        answered: read.states.size,
        apart: !isAgreed(read) && isApart(),
        certifiedAt: table.certifiedAt(table.partitionOf(read.place)),
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
    core.reads.count++
    if (isAgreed(read)) return
    const joined = this.#joined(read)
    const answers = [...read.states].map(([holder, { state }]) => ({ holder, state, hash: rules.stateHash(state) }))
    const wanted = rules.stateHash(joined)
    const behind = answers.filter(({ hash }) => hash?.high !== wanted?.high || hash?.low !== wanted?.low)
    if (behind.length === 0) return
    core.reads.apart++
    const reconciler = core.reconciler(read.place.bucket)
    const span = `repair/${read.id}`
    const winner = joined.versions.at(-1)
    const attributes = {
      "backplane.key": placeName(read.place.bucket, read.place.key),
      "backplane.rule": reconciler.rule,
      "backplane.siblings": new Set(answers.flatMap(({ state }) => state.versions.map(({ dot }) => dot.join("#")))).size,
      "backplane.winner": winner === undefined ? "" : winner.dot.join("#"),
      "backplane.bytes": sizeOf([joined]) * behind.length,
      "backplane.replicas": behind.map(({ holder }) => holder).join(" "),
    }
    const links = core.traces.linksOf([joined, ...answers.map(({ state }) => state)])
    outbox.effect(openSpan(span, "kv.reconcile read-repair", attributes, { root: true, links }))
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

function hasAllAnswers({ asked, states }: PendingRead): boolean {
  for (const each of asked) if (!states.has(each)) return false
  return true
}

/** True where all told the same by naming its hash: then they share one state. */
function isAgreed({ states }: PendingRead): boolean {
  let first: KeyState | null = null
  for (const { state } of states.values()) {
    first ??= state
    if (state !== first) return false
  }
  return true
}
