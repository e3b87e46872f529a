/**
 * The one shape all actors have: a pure state machine. Inputs in, effects out; no clock, no chance, no I/O inside.
 *
 * A host carries out the effects in order: the NATS host, the co-located host or the simulated world. What a machine may
 * rely on is only this: one input at a time; its own effects in order; a timer not before its time. Messages may be lost,
 * doubled, delayed and reordered (NATS core delivers at most once).
 */
import type { Json } from "@backplane/foundation-base/json"
import type { ActorId } from "./actor-id.ts"
import type { Attributes, TraceContext } from "./trace-context.ts"
import type { VirtualTime } from "./virtual-time.ts"

/** Any message: contracts narrow it to a discriminated union on `kind`. */
export interface Body {
  readonly kind: string
}

export type Input<Hears extends Body> =
  | {
      readonly kind: "message"
      readonly from: ActorId
      readonly body: Hears
    }
  | {
      /** A timer set earlier under `key` has come due. */
      readonly kind: "timer"
      readonly key: string
    }
  | {
      /** A `persist` effect under `key` is on disk. */
      readonly kind: "persisted"
      readonly key: string
    }

export type Effect<Says extends Body> = SendEffect<Says> | TimerEffect | CancelEffect | PersistEffect | SpanEffect | EventEffect

export interface SendEffect<Says extends Body> {
  readonly kind: "send"
  readonly to: ActorId
  readonly body: Says
  /** Key of an open span that this message belongs to; without it the span of the current step, if there is one. */
  readonly span?: string
}

/** Asks for a `timer` input at `at`, or as soon after as the host can. A key set again replaces the earlier time. */
export interface TimerEffect {
  readonly kind: "timer"
  readonly key: string
  readonly at: VirtualTime
}

export interface CancelEffect {
  readonly kind: "cancel"
  readonly key: string
}

/** Writes `value` under `key` (null removes it). Effects after it are not held back: wait for `persisted` where it matters. */
export interface PersistEffect {
  readonly kind: "persist"
  readonly key: string
  readonly value: Json
}

/**
 * A span of a trace (see `TraceContext`).
 * - `open`: starts a span under `key`, child of the current message's span, or a root where `root` is set or there is none.
 * - `close`: ends it. A span left open when its key is opened again is closed first.
 * - `note`: names the span of the current step and gives it attributes; makes it a root where the message carried none.
 */
export type SpanEffect =
  | {
      readonly kind: "span"
      readonly op: "open"
      readonly key: string
      readonly name: string
      readonly root?: boolean
      readonly attributes?: Attributes
      /** A span that another process has told of in a message's body: this one is its child. */
      readonly parent?: TraceContext
      /** Key of an open span of this actor's: this one is its child. Without such a span as if it were left out. */
      readonly under?: string
      /** Spans of other traces that it has to do with. */
      readonly links?: readonly TraceContext[]
    }
  | { readonly kind: "span"; readonly op: "close"; readonly key: string; readonly attributes?: Attributes; readonly error?: string }
  | { readonly kind: "span"; readonly op: "note"; readonly name: string; readonly attributes?: Attributes }

/** Something worth a log line or a metric: one registered name and typed fields. `level` defaults to debug. */
export interface EventEffect {
  readonly kind: "event"
  readonly name: string
  readonly level?: "debug" | "info" | "warn" | "error"
  readonly fields?: Attributes
}

/** What a restarted actor finds: everything that was on disk under its keys. */
export type Restored = ReadonlyMap<string, Json>

export interface Machine<Hears extends Body = Body, Says extends Body = Body> {
  /** Called once before any input. */
  start(now: VirtualTime, restored: Restored): readonly Effect<Says>[]
  step(now: VirtualTime, input: Input<Hears>): readonly Effect<Says>[]
  /**
   * Takes inputs that arrived together as one step, so that what is said about them leaves together. Must do what `step` on each in turn
   * would, but for how that is grouped into messages. Only a free-running host calls it, and never with an input that carries a trace.
   */
  stepAll?(now: VirtualTime, inputs: readonly Input<Hears>[]): readonly Effect<Says>[]
  /** What the actor knows, for people and checkers. Changes nothing and is no part of any protocol. */
  inspect?(): Json
}
