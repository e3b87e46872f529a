/**
 * A client of the simulated store: one request at a time, repeated until it is answered or given up; writes down what it did and heard.
 *
 * A repeat goes to the next replica: whoever does it, it is one request. The client sends the
 * context of its last answer for the key with seven writes in ten, and session tokens if it is told to.
 */
import type { Json } from "@backplane/foundation-base/json"
import type { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send, timer } from "@backplane/foundation-actor/effects"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KvAnswer, KvSuccess, KeyOperation } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import type { SessionToken, Vector } from "@backplane/kv-contract/versions"
import type { HistoryEntry } from "@backplane/kv-history/history"
import { drawWish, type Wish } from "./workload.ts"

export interface ClientOptions {
  readonly id: ActorId
  readonly replicas: readonly ActorId[]
  readonly random: Random
  readonly buckets: readonly string[]
  readonly tokens: "with" | "without"
  readonly pauseMax: number
  /** The network may: of two events of one request the later wins in lww. */
  readonly duplicates: boolean
  /** Whether replicas keep what only the present version promises: not while one may speak an earlier one. */
  readonly presentPromises: () => boolean
  /** Programs of the first version refuse what tells it; gateways are upgraded last. */
  readonly tellsWhenSent: boolean
  /** No new request after this. */
  readonly until: number
  readonly history: HistoryEntry[]
}

interface Known {
  readonly context: Vector
  readonly values: readonly string[]
}

interface Outstanding {
  readonly sequence: number
  readonly operation: KeyOperation
  readonly value: string | null
  readonly saw: readonly string[]
  readonly start: number
  readonly home: number
  /** What the present version promises held when it began. */
  readonly isPresent: boolean
  attempt: number
}

const REPEAT_CYCLES = 400_000
const GIVE_UP_CYCLES = 5_000_000

export class KvClient implements Machine<KvMessage, KvMessage> {
  readonly #options: ClientOptions
  readonly #known = new Map<string, Known>()
  #token: SessionToken = []
  #sequence = 0
  #wish: Wish | null = null
  #outstanding: Outstanding | null = null
  isDone = false

  constructor(options: ClientOptions) {
    this.#options = options
  }

  start(now: VirtualTime): readonly Effect<KvMessage>[] {
    return this.#next(now)
  }

  step(now: VirtualTime, input: Input<KvMessage>): readonly Effect<KvMessage>[] {
    if (input.kind === "timer") return input.key === "begin" ? this.#begin(now) : this.#repeat(now)
    if (input.kind !== "message" || input.body.kind !== "KvTell") return []
    const answer = input.body.answers.find(({ sequence }) => sequence === this.#outstanding?.sequence)
    return answer === undefined ? [] : this.#onAnswer(now, answer)
  }

  #next(now: VirtualTime): readonly Effect<KvMessage>[] {
    this.#outstanding = null
    if (now >= this.#options.until) {
      this.isDone = true
      return []
    }
    this.#wish = drawWish(this.#options.random, { only: this.#options.buckets, pauseMax: this.#options.pauseMax })
    return [timer("begin", after(now, this.#wish.pause))]
  }

  #begin(now: VirtualTime): readonly Effect<KvMessage>[] {
    if (this.#wish === null) return []
    const { random, id, replicas } = this.#options
    const sequence = ++this.#sequence
    const wish = this.#wish
    const value =
      wish.op === "get" || wish.op === "delete"
        ? null
        : wish.bucket === "count" || wish.bucket === "map"
          ? String(random.between(-5, 5) || 1)
          : `${id}-${sequence}`
    const known = this.#known.get(`${wish.bucket}/${wish.key}`)
    const uses = known !== undefined && (wish.op === "delete" || random.chance(0.7)) ? known : undefined
    this.#outstanding = {
      sequence,
      operation: this.#operation(wish, value, uses),
      value,
      saw: uses === undefined || wish.op === "get" ? [] : uses.values,
      start: now,
      home: random.below(replicas.length),
      isPresent: this.#options.presentPromises(),
      attempt: 0,
    }
    return this.#send(now, this.#outstanding)
  }

  #operation({ op, bucket, key }: Wish, value: string | null, known: Known | undefined): KeyOperation {
    const place = { bucket, key }
    const session = this.#options.tokens === "with" ? { session: this.#token } : {}
    const context = known === undefined ? {} : { context: known.context }
    switch (op) {
      case "get":
        return { type: "get", ...place, ...(bucket === "register" ? {} : session) }
      case "put":
        return { type: "put", ...place, value: value ?? "", ...context, ...session, ...(bucket === "far" ? { sloppy: true } : {}) }
      case "delete":
        return { type: "delete", ...place, ...context, ...session, ...(bucket === "far" ? { sloppy: true } : {}) }
      case "cas":
        return { type: "cas", ...place, expect: known?.values[0] ?? this.#known.get(`${bucket}/${key}`)?.values[0] ?? null, value }
      case "update":
        return { type: "update", ...place, operation: updateOf(bucket, value ?? ""), ...session }
    }
  }

  #send(now: VirtualTime, { sequence, operation, attempt, home, start }: Outstanding): readonly Effect<KvMessage>[] {
    const { replicas } = this.#options
    const to = replicas[(home + attempt) % replicas.length] as ActorId
    return [
      send<KvMessage>(to, {
        kind: "KvAsk",
        requests: [{ sequence, attempt, operation, ...(this.#options.tellsWhenSent && attempt > 0 ? { age: now - start } : {}) }],
        ...(this.#options.tellsWhenSent ? { sent: now } : {}),
      }),
      timer("repeat", after(now, REPEAT_CYCLES)),
    ]
  }

  #repeat(now: VirtualTime): readonly Effect<KvMessage>[] {
    const open = this.#outstanding
    if (open === null) return []
    if (now - open.start >= GIVE_UP_CYCLES) {
      this.#write(open, null, null, now)
      return this.#next(now)
    }
    open.attempt++
    return this.#send(now, open)
  }

  #onAnswer(now: VirtualTime, answer: KvAnswer): readonly Effect<KvMessage>[] {
    const open = this.#outstanding
    if (open === null) return []
    // Refused for now: ask again with the same sequence, at the next repeat.
    if (!answer.ok && ["quorum-not-met", "session-not-met", "no-leader", "busy"].includes(answer.reason)) return []
    if (!answer.ok) {
      this.#write(open, answer.unknown ? null : false, null, now)
      return this.#next(now)
    }
    this.#write(open, true, answer, now)
    this.#known.set(`${open.operation.bucket}/${open.operation.key}`, { context: answer.context, values: answer.values })
    if (answer.session !== undefined) this.#token = answer.session
    return this.#next(now)
  }

  #write(open: Outstanding, ok: boolean | null, answer: KvSuccess | null, now: VirtualTime): void {
    const { operation, value, saw, start, attempt } = open
    // Who is not told how old a repeat is cannot tell that it may have been done and forgotten.
    const isUntold = operation.bucket === "plain" && !this.#options.tellsWhenSent
    const isTwiceIn = isUntold || operation.bucket === "last" || (operation.bucket === "map" && !open.isPresent)
    const expect = operation.type === "cas" ? operation.expect : null
    this.#options.history.push({
      client: this.#options.id,
      op: operation.type,
      bucket: operation.bucket,
      key: operation.key,
      value,
      expect,
      saw,
      start,
      end: ok === null ? null : now,
      ok,
      result: answer?.values ?? [],
      swapped: answer?.swapped ?? null,
      maybeTwice: isTwiceIn && (attempt >= 1 || this.#options.duplicates),
    })
  }
}

function updateOf(bucket: string, value: string): { readonly [field: string]: Json } {
  if (bucket === "set") return { op: "add", element: value }
  const by = Number(value)
  const change = by < 0 ? { op: "decrement", by: -by } : { op: "increment", by }
  return bucket === "map" ? { op: "update", name: "n", type: "counter", operation: change } : change
}
