/**
 * Asks replicas for keys: what gateways, the machine's disks and the tools use. Pure: what is asked goes in, messages come out.
 *
 * All that is asked in one turn for one replica leaves as one message; a lone request waits for nothing. A request that is not answered is
 * repeated with the same sequence, so it is done once: reads, registers, puts and deletes at another replica (which may know the write already),
 * updates of a CRDT always at the first, because a second coordinator would count them twice.
 *
 * Invariants:
 * Q1 Every request ends: with an answer, or after its deadline with a rejection that says whether it may still take effect.
 * Q2 At most `OUTSTANDING_MAX` requests are under way; one more is refused at once.
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { send, timer } from "@backplane/foundation-actor/effects"
import type { Effect, Input } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KvAnswer, KvRejection, KvRequest, Operation, RejectionReason } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { BATCH_ITEMS_MAX } from "@backplane/kv-contract/limits"
import type { StoreConfig } from "@backplane/kv-contract/store-config"
import { partitionOf } from "@backplane/kv-replication/hash"

/** A batch that is not wholly answered after so long holds nothing up any more. */
const WINDOW_CYCLES = 10_000
/** How long a replica that went away is left alone. */
const AWAY_CYCLES = 200_000
/** Batches that may be under way to one replica. What comes meanwhile leaves together when one of them is answered. */
export const BATCHES_MAX = 2
export const OUTSTANDING_MAX = 65_536

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
  /** The first repeat of a request; each later one waits twice as long, up to `repeatMax`. */
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
  attempt: number
  wait: number
  repeatAt: number
  /** The replica that it went to last. */
  to: ActorId | null
  /** What it went with. */
  batch: Batch | null
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

export class KvRequester {
  readonly #timings: RequesterTimings
  readonly #favourite: number | null
  #members: readonly ActorId[]
  #holders: readonly (readonly ActorId[])[] = []
  #epoch = -1
  readonly #outstanding = new Map<number, Outstanding>()
  /** Who answered last for a partition's registers: its leader, most likely. */
  readonly #leaders = new Map<number, ActorId>()
  /** Replicas that broke off, until when nothing is asked of them first. Silence alone may be load. */
  readonly #away = new Map<ActorId, number>()
  readonly #waiting = new Map<ActorId, Outstanding[]>()
  /** Batches that each replica has not wholly answered. */
  readonly #batches = new Map<ActorId, Batch[]>()
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
      wait: this.#timings.repeat,
      repeatAt: 0,
      to: null,
      batch: null,
    }
    this.#outstanding.set(sequence, open)
    this.#send(now, open)
    if (this.#ticking) return []
    this.#ticking = true
    return [timer(TICK, after(now, this.#timings.tick))]
  }

  step(now: VirtualTime, input: Input<KvMessage>): readonly Effect<KvMessage>[] {
    if (input.kind === "timer") return this.#tick(now)
    if (input.kind === "message" && input.body.kind === "KvGone") this.#onGone(now, input.from)
    if (input.kind === "message" && input.body.kind === "KvTell") {
      this.#away.delete(input.from)
      for (const answer of input.body.answers) this.#onAnswer(now, input.from, answer)
    }
    return []
  }

  /** The end of a turn: what was asked leaves, one message a replica. */
  settle(now: VirtualTime): readonly Effect<KvMessage>[] {
    const effects: Effect<KvMessage>[] = []
    for (const [to, waiting] of this.#waiting) {
      const underWay = (this.#batches.get(to) ?? []).filter(({ open, sentAt }) => open > 0 && now - sentAt < WINDOW_CYCLES)
      this.#batches.set(to, underWay)
      if (underWay.length >= BATCHES_MAX) continue
      this.#waiting.delete(to)
      for (let first = 0; first < waiting.length; first += BATCH_ITEMS_MAX) {
        const leaving = waiting.slice(first, first + BATCH_ITEMS_MAX)
        const batch: Batch = { sentAt: now, open: leaving.length }
        underWay.push(batch)
        for (const open of leaving) open.batch = batch
        effects.push(send<KvMessage>(to, { kind: "KvAsk", requests: leaving.map(asSent) }))
      }
    }
    return effects
  }

  /** The replica will not answer: what it was asked goes to the next ones. */
  #onGone(now: VirtualTime, replica: ActorId): void {
    for (const [partition, leader] of this.#leaders) if (leader === replica) this.#leaders.delete(partition)
    this.#away.set(replica, now + AWAY_CYCLES)
    for (const open of this.#outstanding.values()) if (open.to === replica) this.#repeat(now, open)
  }

  #onAnswer(now: VirtualTime, from: ActorId, answer: KvAnswer): void {
    const open = this.#outstanding.get(answer.sequence)
    if (open === undefined) return
    leaveBatch(open)
    if (!answer.ok && PASSING.has(answer.reason)) {
      if (answer.reason === "no-leader") this.#leaders.delete(open.partition)
      // An election is on, or a replica is away: soon again, not at once.
      open.repeatAt = Math.min(open.repeatAt, now + this.#timings.tick)
      return
    }
    this.#outstanding.delete(answer.sequence)
    if (isLinear(open.request.operation)) this.#leaders.set(open.partition, from)
    open.done(answer, open.attempt + 1)
  }

  #tick(now: VirtualTime): readonly Effect<KvMessage>[] {
    for (const open of this.#outstanding.values()) {
      if (now >= open.givenUpAt) this.#giveUp(open)
      else if (now >= open.repeatAt) this.#repeat(now, open)
    }
    this.#ticking = this.#outstanding.size > 0
    return this.#ticking ? [timer(TICK, after(now, this.#timings.tick))] : []
  }

  #repeat(now: VirtualTime, open: Outstanding): void {
    open.attempt++
    open.wait = Math.min(this.#timings.repeatMax, open.wait * 2)
    if (this.#leaders.get(open.partition) === open.to) this.#leaders.delete(open.partition)
    this.#send(now, open)
  }

  #giveUp({ request, done, attempt }: Outstanding): void {
    this.#outstanding.delete(request.sequence)
    const remedy = "ask again: the replicas that hold the key did not answer in time"
    done(
      refused(request.sequence, "quorum-not-met", remedy, ["put", "delete", "update", "cas"].includes(request.operation.type)),
      attempt + 1,
    )
  }

  #send(now: VirtualTime, open: Outstanding): void {
    const to = this.#target(now, open)
    open.to = to
    open.repeatAt = now + open.wait
    leaveBatch(open)
    const waiting = this.#waiting.get(to)
    if (waiting === undefined) this.#waiting.set(to, [open])
    else waiting.push(open)
  }

  /** The favourite first, then those behind it. */
  #inOrder(members: readonly ActorId[]): readonly ActorId[] {
    if (this.#favourite === null) return members
    const first = this.#favourite % Math.max(1, members.length)
    return [...members.slice(first), ...members.slice(0, first)]
  }

  #target(now: VirtualTime, { request, partition, attempt }: Outstanding): ActorId {
    const holders = this.#holders[partition] ?? this.#members
    const { operation, sequence } = request
    const leader = isLinear(operation) ? this.#leaders.get(partition) : undefined
    if (leader !== undefined) return leader
    // One partition, one first choice: what is asked together is batched together, and partitions spread over the replicas.
    // What is done partition by partition is work for all holders.
    const isSpread = this.#favourite === null || "partition" in operation
    const home = isLinear(operation) ? sequence : isSpread ? partition : 0
    const inTurn = holders.map((_, index) => holders[(home + attempt + index) % holders.length] as ActorId)
    if (this.#away.size === 0) return inTurn[0] as ActorId
    return inTurn.find((holder) => this.#isThere(now, holder)) ?? (inTurn[0] as ActorId)
  }

  /** Whether the replica may be asked first. Who was away for a while is tried with one request, the others wait for what comes of that. */
  #isThere(now: VirtualTime, replica: ActorId): boolean {
    const until = this.#away.get(replica)
    if (until === undefined) return true
    if (now < until) return false
    this.#away.set(replica, now + AWAY_CYCLES)
    return true
  }
}

function asSent({ request, attempt }: Outstanding): KvRequest {
  return attempt === 0 ? request : { ...request, attempt }
}

function leaveBatch(open: Outstanding): void {
  if (open.batch !== null) open.batch.open--
  open.batch = null
}

/** A get may be of a register too; only an answer shows it, so only a cas counts as one here. */
function isLinear({ type }: Operation): boolean {
  return type === "cas"
}

function refused(sequence: number, reason: RejectionReason, remedy: string, unknown: boolean): KvRejection {
  return { sequence, ok: false, reason, remedy, unknown }
}
