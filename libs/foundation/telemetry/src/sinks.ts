/**
 * What a host hands over: finished spans and events. The same shapes as foundation/runtime/sinks, which telemetry may not
 * import (both are level 4): they fit by structure, and an app that connects the two is where the compiler says so.
 *
 * A sink never throws, never blocks and counts what it cannot keep.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { EventEffect } from "@backplane/foundation-actor/machine"
import type { FinishedSpan } from "@backplane/foundation-actor/span-book"
import type { Attributes, TraceContext } from "@backplane/foundation-actor/trace-context"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { HostTime } from "./trace-span.ts"

export interface SpanSink {
  span(machine: string, span: FinishedSpan<HostTime>): void
}

export interface EventRecord {
  readonly name: string
  readonly level: NonNullable<EventEffect["level"]>
  readonly fields: Attributes
  /** Missing where the host itself speaks. */
  readonly machine?: string
  readonly actor?: ActorId
  readonly at?: VirtualTime
  /** The span of the step that told it, where the host knows it: its ids go into the log line and the exemplars. */
  readonly trace?: TraceContext
}

export interface EventSink {
  event(record: EventRecord): void
}
