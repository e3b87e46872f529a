/**
 * The worker beside a replica, as an actor: functions run in a thread with a limit of memory and of time; what exceeds it ends with its thread.
 *
 * A device, not a pure machine: threads answer when they do, and this looks for answers every few milliseconds while there are jobs. Jobs of one pair
 * of functions (the partitions of one request) share a thread, one after the other; a thread that nobody needs any more is ended.
 */
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send, timer } from "@backplane/foundation-actor/effects"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type { KvCompute, KvComputed } from "@backplane/kv-contract/compute-messages"

const LOOK_CYCLES = 2_000
const IDLE_CYCLES = 2_000_000
const THREADS_MAX = 4
/** A thread that is being started is not yet the caller's fault. */
const START_CYCLES = 20_000_000

interface Job {
  readonly name: string
  readonly to: ActorId
  readonly first: KvCompute
  readonly batches: KvCompute[]
}

interface Thread {
  readonly worker: Worker
  readonly waiting: Job[]
  current: Job | null
  deadline: number
  idleSince: number
  started: boolean
  /** What the current job came to; null while it runs. */
  outcome: { readonly result?: Json; readonly error?: string } | null
  ended: boolean
}

export class ComputeActor implements Machine<KvCompute, KvComputed> {
  /** Jobs whose messages have not all come. */
  readonly #coming = new Map<string, Job>()
  readonly #waiting: Job[] = []
  /** By functions and limits. */
  readonly #threads = new Map<string, Thread>()

  start(): readonly Effect<KvComputed>[] {
    return []
  }

  step(now: VirtualTime, input: Input<KvCompute>): readonly Effect<KvComputed>[] {
    if (input.kind === "message" && input.body.kind === "KvCompute") this.#take(input.from, input.body)
    const effects = [...this.#threads].flatMap(([name, thread]) => this.#look(now, name, thread))
    while (this.#waiting.length > 0 && this.#place(now));
    if (this.#threads.size > 0 || this.#waiting.length > 0) effects.push(timer("look", after(now, LOOK_CYCLES)))
    return effects
  }

  #take(from: ActorId, batch: KvCompute): void {
    const job = this.#coming.get(batch.job) ?? { name: batch.job, to: from, first: batch, batches: [] }
    job.batches.push(batch)
    if (!batch.last) return void this.#coming.set(batch.job, job)
    this.#coming.delete(batch.job)
    this.#waiting.push(job)
  }

  /** Gives the first waiting job to the thread of its functions; false where there is none and no room for one. */
  #place(now: VirtualTime): boolean {
    const [job] = this.#waiting
    if (job === undefined) return false
    const { map, reduce, milliseconds, megabytes } = job.first
    const name = JSON.stringify([map, reduce, milliseconds, megabytes])
    if (!this.#threads.has(name) && this.#threads.size >= THREADS_MAX) return false
    const thread = this.#threads.get(name) ?? launch(job.first, now)
    this.#threads.set(name, thread)
    thread.waiting.push(job)
    this.#waiting.shift()
    return true
  }

  #look(now: VirtualTime, name: string, thread: Thread): Effect<KvComputed>[] {
    const effects: Effect<KvComputed>[] = []
    const { current } = thread
    if (current !== null && thread.outcome === null && now > thread.deadline)
      thread.outcome = { error: `not done after ${current.first.milliseconds} ms: give it more, or let it do less` }
    if (current !== null && thread.outcome !== null) {
      effects.push(send(current.to, { kind: "KvComputed", job: current.name, ...thread.outcome }))
      // A thread that did not come to its end in good order is not used again.
      if (thread.outcome.error !== undefined) thread.ended = true
      thread.current = null
      thread.idleSince = now
    }
    if (thread.ended || (thread.current === null && thread.waiting.length === 0 && now - thread.idleSince > IDLE_CYCLES)) {
      this.#threads.delete(name)
      void thread.worker.terminate()
      // The same functions will do the same to those that wait: they are told so instead of being tried.
      const { error } = thread.outcome ?? {}
      for (const { name: job, to } of thread.waiting)
        effects.push(send(to, { kind: "KvComputed", job, error: error ?? "the worker ended" }))
      return effects
    }
    const next = thread.current === null ? thread.waiting.shift() : undefined
    if (next !== undefined) begin(thread, next, now)
    else if (thread.started && thread.current !== null && thread.deadline > now + limitOf(thread)) thread.deadline = now + limitOf(thread)
    return effects
  }
}

function limitOf({ current }: Thread): number {
  return (current?.first.milliseconds ?? 0) * 1000
}

function begin(thread: Thread, job: Job, now: VirtualTime): void {
  thread.current = job
  thread.outcome = null
  thread.deadline = now + (thread.started ? 0 : START_CYCLES) + job.first.milliseconds * 1000
  for (const { entries, partials, last } of job.batches) thread.worker.postMessage({ entries, partials, last })
}

function launch({ map, reduce, megabytes }: KvCompute, now: VirtualTime): Thread {
  const worker = new Worker(join(import.meta.dirname, "compute-worker.ts"), {
    workerData: { map, reduce },
    resourceLimits: { maxOldGenerationSizeMb: megabytes, maxYoungGenerationSizeMb: Math.ceil(megabytes / 4) },
    env: {},
  })
  const thread: Thread = { worker, waiting: [], current: null, deadline: 0, idleSince: now, started: false, outcome: null, ended: false }
  const failed = (error: string): void => {
    thread.ended = true
    thread.outcome ??= { error: error.slice(0, 900) }
  }
  worker.on("online", () => (thread.started = true))
  worker.on("message", (told: { result?: string; error?: string }) => {
    thread.outcome ??=
      told.error === undefined ? { result: JSON.parse(told.result ?? "null") as Json } : { error: told.error.slice(0, 900) }
  })
  worker.on("error", (error) => failed(String(error)))
  worker.on("exit", () => failed("the worker ended: more memory than it may have?"))
  return thread
}
