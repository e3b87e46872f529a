/**
 * Where a host hands over what its actors say about themselves: events (log lines, counters) and finished spans.
 *
 * Only the interfaces and an in-memory form; pino and OpenTelemetry forms live in foundation/telemetry and fit by shape.
 * A sink never throws and never waits: it has its own bounded queue and counts what it drops.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { EventEffect } from "@backplane/foundation-actor/machine"
import type { FinishedSpan } from "@backplane/foundation-actor/span-book"
import type { Attributes, TraceContext } from "@backplane/foundation-actor/trace-context"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { RingBuffer } from "@backplane/foundation-base/ring-buffer"

/** Both clocks of a live run. */
export interface HostTime {
  readonly virtual: VirtualTime
  /** Milliseconds since the Unix epoch, with a fraction. */
  readonly wallMilliseconds: number
}

export interface EventRecord {
  readonly name: string
  readonly level: NonNullable<EventEffect["level"]>
  readonly fields: Attributes
  /** Missing where the host itself speaks. */
  readonly machine?: string
  readonly actor?: ActorId
  readonly at?: VirtualTime
  /** The span of the step that told it. */
  readonly trace?: TraceContext
}

export interface EventSink {
  event(record: EventRecord): void
}

export interface SpanSink {
  span(machine: string, span: FinishedSpan<HostTime>): void
}

/** Keeps the last `capacity` of each: for tests and for `report`. */
export class MemorySink implements EventSink, SpanSink {
  readonly events: RingBuffer<EventRecord>
  readonly spans: RingBuffer<FinishedSpan<HostTime>>

  constructor(capacity = 1024) {
    this.events = new RingBuffer(capacity)
    this.spans = new RingBuffer(capacity)
  }

  event(record: EventRecord): void {
    this.events.push(record)
  }

  span(_machine: string, span: FinishedSpan<HostTime>): void {
    this.spans.push(span)
  }
}
