/**
 * Event streams from this node to the schedulers: one a queue, in order, repeated until seen.
 *
 * A stream opens when a scheduler attaches (a snapshot first) and belongs to that scheduler's generation. Events for a queue that
 * nobody is attached to are dropped: the snapshot will tell. Invariants: seq grows by one a message; what was not seen is kept, up to
 * a limit; past the limit the stream is closed and the scheduler must attach again.
 */
import { send, event } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { SchedulerAttach, SchedulerEvent, SchedulerEvents } from "@backplane/schedule-contract/scheduler-messages"
import { schedulerActor, type QueueName } from "@backplane/scenario-machine/topology"
import { RETRY_TICKS, type NodeContext, type Out } from "./node-context.ts"

/** Messages that a stream keeps unseen before it is given up. */
const UNSEEN_MAX = 1024
/** Unseen messages that are repeated at once. */
const REPEAT_MAX = 8
/** Ticks between two repeats at most. */
const PATIENCE_MAX = 16

/** What a scheduler says of itself as it attaches. */
export interface Ability {
  readonly contract: number
  readonly wants: readonly string[]
}

interface Stream {
  readonly generation: number
  readonly ability: Ability
  nextSeq: number
  /** Collected in this instant, not yet sent. */
  pending: SchedulerEvent[]
  /** Span that the pending events belong to. */
  pendingSpan: string | undefined
  readonly unseen: { readonly message: SchedulerEvents; sentAt: VirtualTime; readonly firstSentAt: VirtualTime }[]
  /**
   * Ticks after which an unseen message counts as lost: twice what the last answer took. A scheduler that has much to do is late, and a
   * repeat is one thing more to do: said too soon, repeats alone keep it busy (congestion collapse; Jacobson, SIGCOMM 1988).
   */
  patience: number
}

export class EventStreams {
  readonly #context: NodeContext
  readonly #streams = new Map<QueueName, Stream>()

  readonly #epoch: () => number
  /** Told of all that happens, whether anybody is attached or not. */
  tap: ((happened: SchedulerEvent) => void) | null = null
  /** Told of everything that is said. */
  onEvent: ((queue: QueueName, said: SchedulerEvent) => void) | null = null

  /** `epoch`: under which it is said; not given: the policy's. */
  constructor(context: NodeContext, epoch: () => number = () => context.epoch) {
    this.#context = context
    this.#epoch = epoch
  }

  isAttached(queue: QueueName): boolean {
    return this.#streams.has(queue)
  }

  abilityOf(queue: QueueName): Ability {
    return this.#streams.get(queue)?.ability ?? { contract: 1, wants: [] }
  }

  generationOf(queue: QueueName): number {
    return this.#streams.get(queue)?.generation ?? 0
  }

  /** A scheduler takes the queue: the snapshot is the first message of its stream. */
  open(queue: QueueName, { generation, contract = 1, wants = [] }: SchedulerAttach, snapshot: readonly SchedulerEvent[]): void {
    const ability = { contract, wants }
    this.#streams.set(queue, {
      generation,
      ability,
      nextSeq: 1,
      pending: [...snapshot, { type: "SYNC" }],
      pendingSpan: undefined,
      unseen: [],
      patience: RETRY_TICKS,
    })
  }

  /** The policy changed: all streams end. */
  closeAll(): void {
    this.#streams.clear()
  }

  /** Adds an event to the message that this instant will send. */
  add(queue: QueueName, schedulerEvent: SchedulerEvent, span?: string): void {
    this.tap?.(schedulerEvent)
    const stream = this.#streams.get(queue)
    if (stream === undefined) return
    this.onEvent?.(queue, schedulerEvent)
    stream.pending.push(schedulerEvent)
    stream.pendingSpan ??= span
  }

  hasPending(): boolean {
    for (const stream of this.#streams.values()) if (stream.pending.length > 0) return true
    return false
  }

  /** How many messages have not been seen, over all streams. */
  get unseen(): number {
    let sum = 0
    for (const stream of this.#streams.values()) sum += stream.unseen.length
    return sum
  }

  unseenOf(queue: QueueName): number {
    return this.#streams.get(queue)?.unseen.length ?? 0
  }

  /** For how many ticks the oldest unseen message has waited, however often it was said. */
  silentTicks(now: VirtualTime, queue: QueueName): number {
    const first = this.#streams.get(queue)?.unseen[0]
    return first === undefined ? 0 : Math.floor((now - first.firstSentAt) / this.#context.spec.clock.tickCycles)
  }

  /** Sends what this instant has collected: one message a queue. */
  flush(now: VirtualTime, out: Out): void {
    for (const [queue, stream] of this.#streams) {
      if (stream.pending.length === 0) continue
      const message: SchedulerEvents = {
        kind: "SchedulerEvents",
        epoch: this.#epoch(),
        queue,
        generation: stream.generation,
        node: this.#context.node,
        incarnation: this.#context.incarnation,
        at: now,
        seq: stream.nextSeq++,
        events: stream.pending,
      }
      out.push(send(schedulerActor(queue), message, stream.pendingSpan))
      stream.pending = []
      stream.pendingSpan = undefined
      stream.unseen.push({ message, sentAt: now, firstSentAt: now })
      if (stream.unseen.length > UNSEEN_MAX) {
        this.#streams.delete(queue)
        out.push(event("stream-closed", { "backplane.queue": queue, "backplane.reason": "too many unseen" }, "warn"))
      }
    }
  }

  /** The scheduler has handled all messages up to `seq`. How long the answer to a message took is known where it was said once. */
  seen(now: VirtualTime, queue: QueueName, seq: number): void {
    const stream = this.#streams.get(queue)
    for (let first = stream?.unseen[0]; stream !== undefined && first !== undefined && first.message.seq <= seq; first = stream.unseen[0]) {
      const tookTicks = Math.floor((now - first.firstSentAt) / this.#context.spec.clock.tickCycles)
      if (first.sentAt === first.firstSentAt) stream.patience = Math.min(PATIENCE_MAX, Math.max(RETRY_TICKS, 2 * tookTicks))
      stream.unseen.shift()
    }
  }

  /**
   * Repeats what has waited too long, and what was sent after it: the scheduler takes nothing out of turn, so all behind a lost message
   * is lost with it. To repeat only the lost one would leave a stream that says something new every few ticks behind for ever.
   */
  repeat(now: VirtualTime, out: Out): void {
    for (const [queue, stream] of this.#streams) {
      const first = stream.unseen[0]
      if (first === undefined || now < this.#context.laterTicks(first.sentAt, stream.patience)) continue
      stream.patience = Math.min(PATIENCE_MAX, 2 * stream.patience)
      for (const item of stream.unseen.slice(0, REPEAT_MAX)) {
        item.sentAt = now
        out.push(send(schedulerActor(queue), item.message))
      }
    }
  }
}
