/**
 * Asks replicas for keys: what gateways, the machine's disks and the tools use. Pure: what is asked goes in, messages come out.
 *
 * All that is asked in one turn for one replica leaves as one message; a lone request waits for nothing. A request that is not answered is
 * repeated with the same sequence, so it is done once, at another replica (which may know the write already).
 *
 * Load must not make load. So a replica has only so much of a requester's to do at a time, and the rest waits here, where it costs nothing; and a
 * replica that answers others of its requests is busy, not gone: what it has is repeated elsewhere only if it is silent for as long as its answers
 * take of late (replication/patience.ts).
 *
 * Invariants:
 * Q1 Every request ends: with an answer, or after its deadline with a rejection that says whether it may still take effect.
 * Q2 At most `OUTSTANDING_MAX` requests are under way; one more is refused at once.
 * Q3 At most `IN_FLIGHT_MAX` of them are with one replica, and of characters of values `IN_FLIGHT_CHARACTERS_MAX` or one request.
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { send, timer } from "@backplane/foundation-actor/effects"
import type { Effect, Input } from "@backplane/foundation-actor/machine"
import { YoungMap } from "@backplane/foundation-base/young-map"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KvAnswer, KvRejection, KvRequest, Operation, RejectionReason } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { BATCH_ITEMS_MAX } from "@backplane/kv-contract/limits"
import type { StoreConfig } from "@backplane/kv-contract/store-config"
import { partitionOf } from "@backplane/kv-replication/hash"
import { Patience } from "@backplane/kv-replication/patience"

/** A batch that is not wholly answered after so long holds nothing up any more. */
const WINDOW_CYCLES = 10_000
/** How long a replica that went away is left alone. */
const AWAY_CYCLES = 200_000
/**
 * Batches that may be under way to one replica. What comes meanwhile leaves together when one of them is answered. A replica has work for several: while
 * one is on its way to it and one with it, others are at its own disk and its peers'. With three, 64 callers over one connection get a tenth less done
 * (`kv bench`); with twelve as much.
 */
export const BATCHES_MAX = 6
export const OUTSTANDING_MAX = 65_536
/**
 * Requests that one replica may have of one requester. Enough to fill its turns and its syncs; more would only wait there instead of here. Half as many
 * after each silence, down to the least; each answer lets a part of one more in.
 */
export const IN_FLIGHT_MAX = 256
const IN_FLIGHT_FIRST = 64
const IN_FLIGHT_LEAST = 8
const IN_FLIGHT_GROWTH = 1 / 2
const IN_FLIGHT_CHARACTERS_MAX = 1_048_576
/** So many answers, one request at a time, and who was away gets all that it is asked first for: a process that has just begun runs slow code. */
const TRIALS = 16
/** What is asked of one that may still be away is asked of another so many times sooner. */
const TRIAL_SHARE = 4

export interface RequesterOptions {
  /** Replicas to ask before a configuration is known. */
  readonly members: readonly ActorId[]
  /**
   * The member, counted from 0, that is asked first for all that it holds: what is asked together then shares one message, one sync and one round
   * of copies. Without it the partitions are spread over their holders. Many requesters should have different favourites.
   */
  readonly favourite?: number
  readonly timings?: Partial<RequesterTimings>
}

/** In cycles, a microsecond each in a live store. */
export interface RequesterTimings {
  /** Silence of a replica after which what it has is repeated at another; longer where its answers take longer, up to `repeatMax`. */
  readonly repeat: number
  readonly repeatMax: number
  /** After this a request is given up. */
  readonly deadline: number
  /** How often repeats are looked for. */
  readonly tick: number
}

/** 80 ms, 400 ms, 10 s, 10 ms. */
export const REQUESTER_TIMINGS: RequesterTimings = { repeat: 80_000, repeatMax: 400_000, deadline: 10_000_000, tick: 10_000 }

export interface Wish {
  readonly operation: Operation
  /** Cycles until it is given up. */
  readonly deadline?: number
  /** Trace and span that it is followed under. */
  readonly trace?: string
  /** The caller's own name of a write: sent again by anybody, it is done once. */
  readonly idempotency?: string
  readonly done: (answer: KvAnswer, attempts: number) => void
}

interface Outstanding {
  readonly request: KvRequest
  readonly partition: number
  readonly startedAt: number
  readonly givenUpAt: number
  readonly done: Wish["done"]
  /** How often it left again. */
  attempt: number
  /** Which of those that may be asked is its turn: one further with each repeat, and where the one that it waited for is silent. */
  turn: number
  /** A refusal that may pass: to be asked again then, whatever the replica does meanwhile. */
  againAt: number | null
  /** The replica that has it, or for which it waits here. */
  to: ActorId | null
  /** When it left; null while it waits here. */
  sentAt: number | null
  /** When it left first. */
  firstSentAt: number | null
  /** What it went with. */
  batch: Batch | null
  /** It goes to one that was away, to see whether it is back. */
  isTrial: boolean
}

/** One replica as this requester sees it. */
interface Replica {
  readonly patience: Patience
  /** Waiting to leave for it. */
  waiting: Set<Outstanding>
  /** Batches that it has not wholly answered. */
  batches: Batch[]
  /** Requests that it may have now, that it has, and the characters of their values. */
  window: number
  inFlight: number
  characters: number
  /** Since when nothing was heard of it while it had requests. */
  since: number
}

interface Away {
  /** Until then nothing is asked of it first. */
  until: number
  /** What it answered since. */
  answers: number
}

/** Requests that left together. */
interface Batch {
  readonly sentAt: number
  /** Not answered yet. */
  open: number
}

/** A repeat may mend these. */
const PASSING: ReadonlySet<RejectionReason> = new Set(["quorum-not-met", "session-not-met", "busy", "no-leader"])
const TICK = "tick"
/** A refusal that passes is tried again after a tick, each time twice as long, so many times. */
const REFUSED_DOUBLINGS_MAX = 5

export class KvRequester {
  readonly #timings: RequesterTimings
  readonly #favourite: number | null
  #members: readonly ActorId[]
  #holders: readonly (readonly ActorId[])[] = []
  #epoch = -1
  readonly #outstanding = new YoungMap<number, Outstanding>()
  /** Who answered last for a partition's registers: its leader, most likely. */
  readonly #leaders = new Map<number, ActorId>()
  /** Replicas that broke off or were silent. */
  readonly #away = new Map<ActorId, Away>()
  readonly #replicas = new Map<ActorId, Replica>()
  /** Buckets of registers, as far as the configuration that is known names them. */
  #linear: ReadonlySet<string> = new Set()
  #sequence = 0
  #ticking = false

  constructor(options: RequesterOptions) {
    this.#favourite = options.favourite ?? null
    this.#members = this.#inOrder(options.members)
    this.#timings = { ...REQUESTER_TIMINGS, ...options.timings }
  }

  get outstanding(): number {
    return this.#outstanding.size
  }

  /** Requests go to holders of their keys from now on: a hop less. An older configuration than the one known changes nothing. */
  configure(config: StoreConfig): void {
    if (config.epoch <= this.#epoch) return
    this.#epoch = config.epoch
    this.#members = this.#inOrder(config.members.map(({ id }) => actorId(id)))
    this.#linear = new Set(config.buckets.flatMap(({ name, policy }) => (policy === "linear" ? [name] : [])))
    this.#holders = config.holders.map((holders) => {
      const own = new Set(holders)
      return this.#favourite === null ? holders.map((id) => actorId(id)) : this.#members.filter((member) => own.has(member))
    })
  }

  /** Begins a request; it leaves at the end of the turn (`settle`). */
  ask(now: VirtualTime, { operation, deadline, trace, idempotency, done }: Wish): readonly Effect<KvMessage>[] {
    if (this.#outstanding.size >= OUTSTANDING_MAX) {
      done(refused(0, "busy", `${OUTSTANDING_MAX} requests are under way: ask again when some are answered`, false), 0)
      return []
    }
    const sequence = ++this.#sequence
    const more = { ...(trace === undefined ? {} : { trace }), ...(idempotency === undefined ? {} : { idempotency }) }
    const request: KvRequest = { sequence, attempt: 0, operation, ...more }
    const open: Outstanding = {
      request,
      partition: "partition" in operation ? operation.partition : partitionOf(operation.bucket, operation.key),
      startedAt: now,
      givenUpAt: now + (deadline ?? this.#timings.deadline),
      done,
      attempt: 0,
      turn: 0,
      againAt: null,
      to: null,
      sentAt: null,
      firstSentAt: null,
      batch: null,
      isTrial: false,
    }
    this.#outstanding.set(sequence, open)
    this.#queue(now, open)
    if (this.#ticking) return []
    this.#ticking = true
    return [timer(TICK, after(now, this.#timings.tick))]
  }

  /** Whoever asked has gone: it is not sent again, and its answer told to nobody. What has left may still take effect. */
  forget(done: Wish["done"]): void {
    for (const [sequence, open] of this.#outstanding.entries()) {
      if (open.done !== done) continue
      this.#take(open)
      this.#outstanding.delete(sequence)
    }
  }

  step(now: VirtualTime, input: Input<KvMessage>): readonly Effect<KvMessage>[] {
    if (input.kind === "timer") return this.#tick(now)
    if (input.kind === "message" && input.body.kind === "KvGone") this.#onGone(now, input.from)
    if (input.kind === "message" && input.body.kind === "KvTell") {
      this.#isHeard(now, input.from, input.body.answers.length)
      for (const answer of input.body.answers) this.#onAnswer(now, input.from, answer)
    }
    return []
  }

  /** The end of a turn: what was asked leaves, one message a replica. */
  settle(now: VirtualTime): readonly Effect<KvMessage>[] {
    const effects: Effect<KvMessage>[] = []
    for (const [to, replica] of this.#replicas) {
      if (replica.waiting.size === 0) continue
      replica.batches = replica.batches.filter(({ open, sentAt }) => open > 0 && now - sentAt < WINDOW_CYCLES)
      if (replica.batches.length >= BATCHES_MAX) continue
      const leaving = this.#leaving(now, replica)
      for (let first = 0; first < leaving.length; first += BATCH_ITEMS_MAX)
        effects.push(
          send<KvMessage>(to, {
            kind: "KvAsk",
            requests: leaving.slice(first, first + BATCH_ITEMS_MAX).map((open) => asSent(open, now)),
            sent: now,
          }),
        )
    }
    return effects
  }

  /** As much of what waits as the replica may have (Q3), as one batch. */
  #leaving(now: VirtualTime, replica: Replica): readonly Outstanding[] {
    const leaving: Outstanding[] = []
    const batch: Batch = { sentAt: now, open: 0 }
    for (const open of replica.waiting) {
      const characters = charactersOf(open.request.operation)
      const isFull = replica.inFlight >= Math.floor(replica.window) || replica.characters + characters > IN_FLIGHT_CHARACTERS_MAX
      if (replica.inFlight > 0 && isFull) break
      if (replica.inFlight === 0) replica.since = now
      replica.waiting.delete(open)
      replica.inFlight++
      replica.characters += characters
      batch.open++
      open.batch = batch
      open.sentAt = now
      open.firstSentAt ??= now
      leaving.push(open)
    }
    // A set that much passes through keeps more than it has (foundation/base's young-map).
    if (replica.waiting.size === 0) replica.waiting = new Set()
    if (leaving.length > 0) replica.batches.push(batch)
    return leaving
  }

  /** Who was away answers: the next request may go to it, and after so many of them all. */
  #isHeard(now: VirtualTime, replica: ActorId, answers: number): void {
    const away = this.#away.get(replica)
    if (away === undefined) return
    away.answers += answers
    if (away.answers >= TRIALS) this.#away.delete(replica)
    else away.until = now
  }

  /** The replica will not answer: what it was asked goes to the next ones. */
  #onGone(now: VirtualTime, replica: ActorId): void {
    for (const [partition, leader] of this.#leaders) if (leader === replica) this.#leaders.delete(partition)
    this.#away.set(replica, { until: now + AWAY_CYCLES, answers: 0 })
    for (const open of this.#outstanding.values()) if (open.to === replica) this.#repeat(now, open)
  }

  #onAnswer(now: VirtualTime, from: ActorId, answer: KvAnswer): void {
    const open = this.#outstanding.get(answer.sequence)
    if (open === undefined) return
    const { sentAt } = open
    const replica = this.#replica(from)
    if (answer.ok) {
      replica.since = now
      replica.window = Math.min(IN_FLIGHT_MAX, replica.window + IN_FLIGHT_GROWTH)
    }
    if (answer.ok && open.attempt === 0 && sentAt !== null) replica.patience.answered(now - sentAt)
    if (!answer.ok && PASSING.has(answer.reason)) {
      // Another has it by now: what this one could not do says nothing of that.
      if (open.to !== from) return
      if (answer.reason === "no-leader") this.#leaders.delete(open.partition)
      // An election is on: soon again, not at once. Else the replica has too much to do, or too few peers: later each time.
      const wait =
        answer.reason === "no-leader" ? this.#timings.tick : this.#timings.tick * 2 ** Math.min(open.attempt, REFUSED_DOUBLINGS_MAX)
      open.againAt = now + wait
      return
    }
    this.#take(open)
    this.#outstanding.delete(answer.sequence)
    if (this.#isLinear(open.request.operation)) this.#leaders.set(open.partition, from)
    open.done(answer, open.attempt + 1)
  }

  #tick(now: VirtualTime): readonly Effect<KvMessage>[] {
    const silent = new Set<ActorId>()
    for (const [id, { inFlight, since, patience }] of this.#replicas) if (inFlight > 0 && now - since >= patience.cycles) silent.add(id)
    const repeated = this.#outstanding.values().filter((open) => now < open.givenUpAt && this.#isToBeRepeated(now, open, silent))
    for (const id of silent) this.#wasSilent(now, id)
    for (const open of repeated) this.#repeat(now, open)
    for (const open of this.#outstanding.values()) if (now >= open.givenUpAt) this.#giveUp(open)
    this.#ticking = this.#outstanding.size > 0
    return this.#ticking ? [timer(TICK, after(now, this.#timings.tick))] : []
  }

  #isToBeRepeated(now: VirtualTime, open: Outstanding, silent: ReadonlySet<ActorId>): boolean {
    const { againAt, to, sentAt, attempt } = open
    if (againAt !== null) return now >= againAt
    if (to === null) return false
    // It is not to wait for a process that begins again as long as for one that has much to do.
    if (open.isTrial) return sentAt !== null && now - sentAt >= this.#timings.repeat / TRIAL_SHARE
    const { patience } = this.#replica(to)
    if (silent.has(to)) return sentAt === null || now - sentAt >= patience.cycles
    if (sentAt === null) return false
    const age = now - sentAt
    // A replica that believes that it leads, and is cut off, may still answer what needs no majority.
    if (this.#isLinear(open.request.operation)) return age >= patience.cycles
    // It answers, but this it has lost, perhaps: seldom, and more seldom each time.
    return age >= this.#timings.repeatMax * 2 ** attempt
  }

  /** What it has went to others; it is asked again only after a longer silence. */
  #wasSilent(now: VirtualTime, id: ActorId): void {
    const replica = this.#replica(id)
    replica.patience.ended()
    replica.since = now
    replica.window = Math.max(IN_FLIGHT_LEAST, replica.window / 2)
    this.#away.set(id, { until: now + AWAY_CYCLES, answers: 0 })
  }

  #repeat(now: VirtualTime, open: Outstanding): void {
    if (open.sentAt !== null) open.attempt++
    open.turn++
    open.againAt = null
    if (this.#leaders.get(open.partition) === open.to) this.#leaders.delete(open.partition)
    this.#queue(now, open)
  }

  #giveUp(open: Outstanding): void {
    const { request, done, attempt } = open
    // Whoever was told just before may have forgotten it.
    if (!this.#outstanding.delete(request.sequence)) return
    this.#take(open)
    const remedy = "ask again: the replicas that hold the key did not answer in time"
    done(
      refused(request.sequence, "quorum-not-met", remedy, ["put", "delete", "update", "cas"].includes(request.operation.type)),
      attempt + 1,
    )
  }

  #queue(now: VirtualTime, open: Outstanding): void {
    this.#take(open)
    open.to = this.#target(now, open)
    this.#replica(open.to).waiting.add(open)
  }

  /** Off the account of the replica that has it, or for which it waits. */
  #take(open: Outstanding): void {
    if (open.batch !== null) open.batch.open--
    open.batch = null
    const replica = open.to === null ? undefined : this.#replicas.get(open.to)
    if (replica === undefined) return
    replica.waiting.delete(open)
    if (open.sentAt === null) return
    open.sentAt = null
    replica.inFlight--
    replica.characters -= charactersOf(open.request.operation)
  }

  #replica(id: ActorId): Replica {
    const known = this.#replicas.get(id)
    if (known !== undefined) return known
    const { repeat, repeatMax } = this.#timings
    const patience = new Patience({ least: repeat, first: repeat, most: repeatMax })
    const replica: Replica = { patience, waiting: new Set(), batches: [], window: IN_FLIGHT_FIRST, inFlight: 0, characters: 0, since: 0 }
    this.#replicas.set(id, replica)
    return replica
  }

  /** The favourite first, then those behind it. */
  #inOrder(members: readonly ActorId[]): readonly ActorId[] {
    if (this.#favourite === null) return members
    const first = this.#favourite % Math.max(1, members.length)
    return [...members.slice(first), ...members.slice(0, first)]
  }

  #target(now: VirtualTime, open: Outstanding): ActorId {
    const { request, partition, turn } = open
    open.isTrial = false
    const holders = this.#holders[partition] ?? this.#members
    const { operation, sequence } = request
    const leader = this.#isLinear(operation) ? this.#leaders.get(partition) : undefined
    if (leader !== undefined) return leader
    // One partition, one first choice: what is asked together is batched together, and partitions spread over the replicas.
    // What is done partition by partition is work for all holders.
    const isSpread = this.#favourite === null || "partition" in operation
    const home = this.#isLinear(operation) ? sequence : isSpread ? partition : 0
    const inTurn = holders.map((_, index) => holders[(home + turn + index) % holders.length] as ActorId)
    if (this.#away.size === 0) return inTurn[0] as ActorId
    const target = inTurn.find((holder) => this.#mayBeAsked(now, holder))
    // Where all are away nothing is a trial: they may have too much to do, and more of it would not help. Who has answered since is no corpse.
    open.isTrial = target !== undefined && this.#away.has(target)
    return target ?? inTurn.find((holder) => (this.#away.get(holder)?.answers ?? 0) > 0) ?? (inTurn[0] as ActorId)
  }

  /** Without a configuration a get may be of a register too, and is not known for one. */
  #isLinear(operation: Operation): boolean {
    return operation.type === "cas" || (operation.type === "get" && this.#linear.has(operation.bucket))
  }

  /** Whether the replica may be asked first. Who was away for a while is tried with one request, the others wait for what comes of that. */
  #mayBeAsked(now: VirtualTime, replica: ActorId): boolean {
    const away = this.#away.get(replica)
    if (away === undefined) return true
    if (now < away.until) return false
    away.until = now + AWAY_CYCLES
    return true
  }
}

function asSent({ request, attempt, firstSentAt }: Outstanding, now: VirtualTime): KvRequest {
  return attempt === 0 ? request : { ...request, attempt, age: now - (firstSentAt ?? now) }
}

function charactersOf(operation: Operation): number {
  return "value" in operation ? (operation.value?.length ?? 0) : 0
}

function refused(sequence: number, reason: RejectionReason, remedy: string, unknown: boolean): KvRejection {
  return { sequence, ok: false, reason, remedy, unknown }
}
