/**
 * The worker beside a replica, as an actor: functions run in a thread with a limit of memory and of time; what exceeds it ends with its thread.
 *
 * A device, not a pure machine: threads answer when they do, and this looks for answers every few milliseconds while there are jobs. Jobs of one pair
 * of functions (the partitions of one request) share a thread, one after the other, and some lie before it so that it need not wait; a thread that
 * nobody needs any more is ended. It reads the keys in the replica, which is in the same process: values are copied once, into the thread. From the
 * first job on a thread stands ready for the next pair of functions, for to start one takes longer than most jobs. Functions of ours that everybody
 * needs (named-functions.ts) need no thread at all.
 */
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send, timer } from "@backplane/foundation-actor/effects"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type { KeyValues } from "@backplane/kv-replica/computer"
import { functionText, namedResult } from "./named-functions.ts"
import type { KeySource, KvCompute, KvComputed } from "@backplane/kv-contract/compute-messages"

const LOOK_CYCLES = 2_000
const IDLE_CYCLES = 2_000_000
const THREADS_MAX = 4
/** A thread that is being started is not yet the caller's fault. */
const START_CYCLES = 20_000_000

/** Jobs that lie before a thread, and how much: beyond the first of them no more than so many characters. */
const AHEAD_MAX = 16
const AHEAD_CHARACTERS_MAX = 8_000_000
/** A thread that stands ready and is not needed for so long is ended. */
const SPARE_CYCLES = 60_000_000
/** Characters of one message to a thread: so many are copied at a time. */
const CHARACTERS_MAX = 2_000_000

/** The keys as they are at this moment; null where the replica cannot vouch for them. */
export type ReadKeys = (source: KeySource) => readonly KeyValues[] | null

interface Job {
  readonly name: string
  readonly to: ActorId
  readonly work: KvCompute
  readonly entries: readonly KeyValues[]
  readonly characters: number
}

interface Outcome {
  readonly result?: Json
  readonly error?: string
}

interface Thread {
  readonly worker: Worker
  readonly waiting: Job[]
  /** Those that the worker has, in order. */
  readonly posted: Job[]
  /** What the first of these came to. */
  readonly outcomes: Outcome[]
  deadline: number
  idleSince: number
  started: boolean
  ended: boolean
}

export class ComputeActor implements Machine<KvCompute, KvComputed> {
  readonly #read: ReadKeys
  readonly #waiting: Job[] = []
  /** By functions and limits. */
  readonly #threads = new Map<string, Thread>()
  /** Started, and not told yet what for. */
  #spare: { readonly thread: Thread; readonly megabytes: number; readonly until: number } | null = null

  constructor(read: ReadKeys) {
    this.#read = read
  }

  start(): readonly Effect<KvComputed>[] {
    return []
  }

  step(now: VirtualTime, input: Input<KvCompute>): readonly Effect<KvComputed>[] {
    const effects = input.kind === "message" && input.body.kind === "KvCompute" ? this.#take(input.from, input.body) : []
    for (const [name, thread] of this.#threads) effects.push(...this.#look(now, name, thread))
    while (this.#waiting.length > 0 && this.#place(now));
    if (this.#spare !== null && now >= this.#spare.until) this.#endSpare()
    if (this.#threads.size > 0 || this.#spare !== null || this.#waiting.length > 0) effects.push(timer("look", after(now, LOOK_CYCLES)))
    return effects
  }

  #take(from: ActorId, work: KvCompute): Effect<KvComputed>[] {
    const entries = work.source === null ? [] : this.#read(work.source)
    if (entries === null)
      return [send(from, { kind: "KvComputed", job: work.job, error: "the partition is being moved or repaired: ask again" })]
    const named = namedResult(work, entries)
    if (named !== null) return [send(from, { kind: "KvComputed", job: work.job, keys: entries.length, ...named })]
    this.#waiting.push({ name: work.job, to: from, work, entries, characters: charactersOf(entries) })
    return []
  }

  /** Gives the first waiting job to the thread of its functions; false where there is none and no room for one. */
  #place(now: VirtualTime): boolean {
    const [job] = this.#waiting
    if (job === undefined) return false
    const { map, reduce, milliseconds, megabytes } = job.work
    const name = JSON.stringify([map, reduce, milliseconds, megabytes])
    if (!this.#threads.has(name) && this.#threads.size >= THREADS_MAX) return false
    const thread = this.#threads.get(name) ?? this.#begun(job.work, now)
    this.#threads.set(name, thread)
    thread.waiting.push(job)
    this.#waiting.shift()
    return true
  }

  /** The thread that stands ready, where it has the memory that is asked for; another one stands ready then. */
  #begun({ map, reduce, megabytes }: KvCompute, now: VirtualTime): Thread {
    const spare = this.#spare?.megabytes === megabytes ? this.#spare.thread : null
    if (spare === null) this.#endSpare()
    const thread = spare === null || spare.ended || spare.outcomes.length > 0 ? launch(megabytes, now) : spare
    thread.idleSince = now
    thread.worker.postMessage({ map: functionText(map), reduce: functionText(reduce) })
    this.#spare = { thread: launch(megabytes, now), megabytes, until: now + SPARE_CYCLES }
    return thread
  }

  #endSpare(): void {
    void this.#spare?.thread.worker.terminate()
    this.#spare = null
  }

  #look(now: VirtualTime, name: string, thread: Thread): Effect<KvComputed>[] {
    const effects: Effect<KvComputed>[] = []
    const { posted, outcomes } = thread
    const [current] = posted
    if (current !== undefined && outcomes.length === 0 && now > thread.deadline)
      outcomes.push({ error: `not done after ${current.work.milliseconds} ms: give it more, or let it do less` })
    let failure: string | undefined
    // What came before there was a job, such as that the functions are none, is the first job's.
    while (posted.length > 0 && failure === undefined) {
      const outcome = outcomes.shift()
      const job = outcome === undefined ? undefined : posted.shift()
      if (outcome === undefined || job === undefined) break
      effects.push(send(job.to, { kind: "KvComputed", job: job.name, keys: job.entries.length, ...outcome }))
      // A thread that did not come to its end in good order is not used again.
      failure = outcome.error
      thread.idleSince = now
      thread.deadline = now + limitOf(posted[0])
    }
    if (failure !== undefined) thread.ended = true
    const isIdle = posted.length === 0 && thread.waiting.length === 0 && now - thread.idleSince > IDLE_CYCLES
    if (thread.ended || isIdle) {
      this.#threads.delete(name)
      void thread.worker.terminate()
      // The same functions will do the same to those that wait: they are told so instead of being tried.
      for (const { name: job, to } of [...posted, ...thread.waiting])
        effects.push(send(to, { kind: "KvComputed", job, error: failure ?? "the worker ended" }))
      return effects
    }
    while (hasRoom(thread)) post(thread, thread.waiting.shift(), now)
    if (thread.started && posted.length > 0) thread.deadline = Math.min(thread.deadline, now + limitOf(posted[0]))
    return effects
  }
}

function hasRoom({ posted, waiting: [next] }: Thread): boolean {
  if (next === undefined || posted.length >= AHEAD_MAX) return false
  return posted.length === 0 || posted.reduce((sum, { characters }) => sum + characters, next.characters) <= AHEAD_CHARACTERS_MAX
}

function charactersOf(entries: readonly KeyValues[]): number {
  let characters = 0
  for (const [, values] of entries) for (const value of values) characters += value.length
  return characters
}

function limitOf(job: Job | undefined): number {
  return (job?.work.milliseconds ?? 0) * 1000
}

/** Values as texts, which have nothing of this side in them, some at a time. */
function post(thread: Thread, job: Job | undefined, now: VirtualTime): void {
  if (job === undefined) return
  if (thread.posted.length === 0) thread.deadline = now + (thread.started ? 0 : START_CYCLES) + limitOf(job)
  thread.posted.push(job)
  let keys: string[] = []
  let counts: number[] = []
  let values: string[] = []
  let characters = 0
  for (const [key, own] of job.entries) {
    keys.push(key)
    counts.push(own.length)
    for (const value of own) {
      values.push(value)
      characters += value.length
    }
    if (characters < CHARACTERS_MAX) continue
    thread.worker.postMessage({ keys, counts, values, partials: [], last: false })
    keys = []
    counts = []
    values = []
    characters = 0
  }
  const partials = job.work.partials.map((partial) => JSON.stringify(partial))
  thread.worker.postMessage({ keys, counts, values, partials, last: true })
}

/** What a thread says is its functions' work: it may be anything, and must not end the replica's process. */
function outcomeOf(result: unknown): Outcome {
  try {
    return { result: JSON.parse(String(result ?? "null")) as Json }
  } catch {
    return { error: "the functions gave what is no JSON" }
  }
}

function launch(megabytes: number, now: VirtualTime): Thread {
  const worker = new Worker(join(import.meta.dirname, "compute-worker.ts"), {
    resourceLimits: { maxOldGenerationSizeMb: megabytes, maxYoungGenerationSizeMb: Math.ceil(megabytes / 4) },
    env: {},
  })
  const thread: Thread = { worker, waiting: [], posted: [], outcomes: [], deadline: 0, idleSince: now, started: false, ended: false }
  const failed = (error: string): void => {
    thread.outcomes.push({ error: error.slice(0, 900) })
  }
  worker.on("online", () => (thread.started = true))
  worker.on("message", (told: { result?: unknown; error?: unknown }) => {
    if (told.error === undefined) thread.outcomes.push(outcomeOf(told.result))
    else failed(String(told.error))
  })
  worker.on("error", (error) => failed(String(error)))
  worker.on("exit", () => failed("the worker ended: more memory than it may have?"))
  return thread
}
