/**
 * Runs the actors of one machine in `free` mode: inputs as they come, virtual time by the paced wall clock.
 *
 * A turn handles what is due and what has arrived, at most TURN_INPUTS_MAX inputs or for TURN_MILLISECONDS_MAX, then lets I/O have its turn:
 * an actor that always has something to do (a CPU that spins) must not keep from others what they wait for. The first turn after a silence runs
 * in the microtask after the arrival, so a lone message waits for nothing and all answers to what arrived together leave together.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Bus } from "@backplane/foundation-actor/bus"
import type { Envelope } from "@backplane/foundation-actor/envelope"
import type { Body, Input } from "@backplane/foundation-actor/machine"
import type { TraceContext } from "@backplane/foundation-actor/trace-context"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert } from "@backplane/foundation-base/assert"
import { ActorRunner, type EffectHandler, type HostServices } from "./actor-runner.ts"
import type { ActorReport } from "./control-protocol.ts"
import { FreeTimers } from "./free-timers.ts"
import type { ActorToHost, MachineHost, OnFatal } from "./machine-host.ts"
import type { PacedClock } from "./paced-clock.ts"
import type { ActorStore, Store } from "./store.ts"

const INBOX_MAX = 8192
const TURN_INPUTS_MAX = 256
const TURN_MILLISECONDS_MAX = 0.5
/**
 * A timer of the event loop counts whole milliseconds from when the loop last woke, so it comes up to one early. A wait as long as this may
 * end one late instead: else each wait would end in half a millisecond of polling, a tenth of a core for each process of machines that tick. Nor is
 * the rest of one polled for that comes first when another timer has gone off: a busy shard has a few timers, and three turns in four of its event loop were that (95/5 over one connection).
 */
const LONG_WAIT_MILLISECONDS = 10
/** setTimeout takes 31 bits. */
const SLEEP_MAX_MILLISECONDS = 2_000_000_000

export interface ActorHostOptions extends HostServices {
  readonly machineName: string
  readonly bus: Bus
  readonly clock: PacedClock
  readonly store: Store
  readonly onFatal: OnFatal
  /** Messages that may wait for one actor; what comes beyond is dropped and counted. */
  readonly inboxMax?: number
}

interface Hosted {
  readonly actor: ActorId
  readonly epoch: number
  readonly runner: ActorRunner
  readonly leave: () => void
  open: boolean
  /** Messages of it in the queue. At most `inboxMax`. */
  inboxLength: number
  inboxDropped: number
  sent: number
}

interface Arrived {
  readonly hosted: Hosted
  readonly input: Input<Body>
  readonly trace: TraceContext | undefined
}

export class ActorHost implements MachineHost {
  readonly #options: ActorHostOptions
  readonly #inboxMax: number
  readonly #actors = new Map<ActorId, Hosted>()
  readonly #timers = new FreeTimers<Hosted>()
  /** Inputs of all actors in the order of arrival, from `#next` on. Bounded by the inboxes and by writes under way. */
  #queue: Arrived[] = []
  #next = 0
  #turnPending = false
  /** Inputs handled since I/O last had its turn. */
  #sinceYield = 0
  /** When the first of them began, by the wall clock. */
  #workingSince = 0
  #yieldPending = false
  #sleep: NodeJS.Timeout | null = null
  /** What `#sleep` waits for. */
  #sleepUntil: VirtualTime | null = null
  #failed = false

  constructor(options: ActorHostOptions) {
    this.#options = options
    this.#inboxMax = options.inboxMax ?? INBOX_MAX
  }

  async add({ actor, epoch, machine }: ActorToHost): Promise<void> {
    assert(!this.#actors.has(actor), `${actor} is hosted once`)
    const { machineName, bus, store, clock } = this.#options
    const disk = store.open(machineName, actor)
    const restored = await disk.load()
    assert(!this.#actors.has(actor), `${actor} is hosted once`)
    let hosted: Hosted | null = null
    const leave = bus.subscribe(machineName, actor, (envelope) => {
      if (hosted !== null) this.#onEnvelope(hosted, envelope)
    })
    const own = (): Hosted => {
      assert(hosted !== null, "effects come after the start")
      return hosted
    }
    const handler = this.#handlerOf(actor, own, disk)
    const runner = new ActorRunner({ ...this.#options, actor, machine, restored, handler })
    hosted = { actor, epoch, runner, leave, open: true, inboxLength: 0, inboxDropped: 0, sent: 0 }
    this.#actors.set(actor, hosted)
    this.#guard(hosted, () => runner.start(clock.now()))
    this.#wake()
  }

  remove(actor: ActorId): boolean {
    const hosted = this.#actors.get(actor)
    if (hosted === undefined) return false
    this.#close(hosted, "the actor was taken off this service")
    return true
  }

  has(actor: ActorId): boolean {
    return this.#actors.has(actor)
  }

  epochOf(actor: ActorId): number | null {
    return this.#actors.get(actor)?.epoch ?? null
  }

  reports(): readonly ActorReport[] {
    const { machineName, clock } = this.#options
    return [...this.#actors.values()].map((hosted) => {
      const { actor, epoch, inboxLength, inboxDropped, sent, runner } = hosted
      const timers = this.#timers.count(hosted)
      return {
        machine: machineName,
        actor,
        epoch,
        mode: "free",
        inboxLength,
        inboxDropped,
        inputs: runner.inputs,
        sent,
        timers,
        now: clock.now(),
      }
    })
  }

  stop(reason: string): void {
    for (const hosted of [...this.#actors.values()]) this.#close(hosted, reason)
    this.#awake()
    this.#queue = []
    this.#next = 0
  }

  #close(hosted: Hosted, reason: string): void {
    hosted.open = false
    hosted.leave()
    this.#actors.delete(hosted.actor)
    this.#timers.forget(hosted)
    const { clock, store, machineName } = this.#options
    hosted.runner.close(clock.now(), reason)
    store.release?.(machineName, hosted.actor)
  }

  #handlerOf(actor: ActorId, own: () => Hosted, disk: ActorStore): EffectHandler {
    const { bus, machineName } = this.#options
    return {
      send: (to, body, trace) => {
        own().sent++
        bus.publish(
          trace === undefined ? { machine: machineName, from: actor, to, body } : { machine: machineName, from: actor, to, body, trace },
        )
      },
      timer: (key, at) => this.#timers.set(own(), { key, at, setAt: this.#options.clock.now() }),
      cancel: (key) => this.#timers.cancel(own(), key),
      persist: (key, value) => disk.write(key, value, (error) => this.#onWritten(own(), key, error)),
    }
  }

  #onEnvelope(hosted: Hosted, { from, body, trace }: Envelope): void {
    if (!hosted.open || this.#failed) return
    if (hosted.inboxLength >= this.#inboxMax) return this.#onOverflow(hosted, from, body)
    hosted.inboxLength++
    this.#queue.push({ hosted, input: { kind: "message", from, body }, trace })
    this.#wake()
  }

  #onOverflow(hosted: Hosted, from: ActorId, body: Body): void {
    hosted.inboxDropped++
    // The first, the second, the fourth, the eighth …: a flood must not flood the log.
    if ((hosted.inboxDropped & (hosted.inboxDropped - 1)) !== 0) return
    const { events, machineName, clock } = this.#options
    const dropped = hosted.inboxDropped
    // `more`: how many this event stands for, so that they add up to what was dropped.
    const fields = { from, body: body.kind, dropped, more: Math.ceil(dropped / 2), limit: this.#inboxMax }
    events.event({ name: "host.inbox-full", level: "warn", machine: machineName, actor: hosted.actor, at: clock.now(), fields })
  }

  #onWritten(hosted: Hosted, key: string, error: Error | null): void {
    if (!hosted.open || this.#failed) return
    if (error !== null) return this.#fail(hosted, error)
    this.#queue.push({ hosted, input: { kind: "persisted", key }, trace: undefined })
    this.#wake()
  }

  #wake(): void {
    if (this.#turnPending) return
    this.#turnPending = true
    if (this.#isLong()) {
      setImmediate(this.#turn)
    } else {
      queueMicrotask(this.#turn)
    }
  }

  readonly #turn = (): void => {
    this.#turnPending = false
    this.#noteYield()
    const { clock } = this.#options
    while (!this.#isLong() && !this.#failed) {
      const due = this.#timers.take(clock.now())
      if (due === null) break
      this.#handle(due.owner, { kind: "timer", key: due.key }, undefined)
    }
    // At least one message a turn, however many timers are due: neither may starve the other.
    do {
      const arrived = this.#queue[this.#next]
      if (arrived === undefined || this.#failed) break
      const together = arrived.hosted.runner.takesMany ? this.#together(arrived) : 1
      if (together > 1) {
        this.#handleAll(arrived.hosted, together)
        continue
      }
      this.#next++
      if (arrived.input.kind === "message") arrived.hosted.inboxLength--
      if (arrived.hosted.open) this.#handle(arrived.hosted, arrived.input, arrived.trace)
    } while (!this.#isLong())
    this.#queue.splice(0, this.#next)
    this.#next = 0
    this.#rest()
  }

  #handle(hosted: Hosted, input: Input<Body>, trace: TraceContext | undefined): void {
    this.#sinceYield++
    this.#guard(hosted, () => hosted.runner.step(this.#options.clock.now(), input, trace))
  }

  /** How many inputs from here on are for the same actor and carry no trace. */
  #together({ hosted }: Arrived): number {
    let end = this.#next
    for (let next = this.#queue[end]; next?.hosted === hosted && next.trace === undefined; next = this.#queue[end]) end++
    return end - this.#next
  }

  #handleAll(hosted: Hosted, count: number): void {
    const inputs = this.#queue.slice(this.#next, this.#next + count).map(({ input }) => input)
    this.#next += count
    for (const { kind } of inputs) if (kind === "message") hosted.inboxLength--
    this.#sinceYield += count
    if (hosted.open) this.#guard(hosted, () => hosted.runner.stepAll(this.#options.clock.now(), inputs))
  }

  #isLong(): boolean {
    return this.#sinceYield >= TURN_INPUTS_MAX || (this.#yieldPending && performance.now() - this.#workingSince >= TURN_MILLISECONDS_MAX)
  }

  /** A turn of the event loop later the count begins anew: it is what keeps microtasks from starving I/O. */
  #noteYield(): void {
    if (this.#yieldPending) return
    this.#yieldPending = true
    this.#workingSince = performance.now()
    setImmediate(() => {
      this.#yieldPending = false
      this.#sinceYield = 0
    })
  }

  #rest(): void {
    if (this.#failed || this.#turnPending) return
    if (this.#queue.length > 0) return this.#wake()
    const { clock } = this.#options
    const next = this.#timers.next()
    if (next !== null && next.at === this.#sleepUntil) return
    this.#awake()
    if (next === null) return
    const milliseconds = clock.millisecondsUntil(next.at)
    const isLong = clock.milliseconds(next.at - next.setAt) >= LONG_WAIT_MILLISECONDS
    // A timer of the event loop is a millisecond late at best: shorter waits poll, so that short slices stay short.
    if (milliseconds === 0 || (milliseconds < 1 && !isLong)) {
      this.#turnPending = true
      setImmediate(this.#turn)
    } else {
      this.#sleepUntil = next.at
      const slack = milliseconds < LONG_WAIT_MILLISECONDS ? 0 : 1
      this.#sleep = setTimeout(this.#onAlarm, Math.min(SLEEP_MAX_MILLISECONDS, Math.ceil(milliseconds) + slack))
    }
  }

  readonly #onAlarm = (): void => {
    this.#awake()
    this.#wake()
  }

  #awake(): void {
    if (this.#sleep !== null) clearTimeout(this.#sleep)
    this.#sleep = null
    this.#sleepUntil = null
  }

  #guard(hosted: Hosted, action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#fail(hosted, error instanceof Error ? error : new Error(String(error)))
    }
  }

  #fail(hosted: Hosted, error: Error): void {
    if (this.#failed) return
    this.#failed = true
    const { events, machineName, clock, onFatal } = this.#options
    const fields = { error: error.name, message: error.message, stack: error.stack ?? "" }
    events.event({ name: "host.fatal", level: "error", machine: machineName, actor: hosted.actor, at: clock.now(), fields })
    onFatal(error, hosted.actor)
  }
}
