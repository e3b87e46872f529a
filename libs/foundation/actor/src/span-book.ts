/**
 * The open spans of one actor: turns span effects and incoming contexts into finished spans, the same way in every host.
 *
 * Pure: ids come from an id source, times from the caller (`Time` is whatever the host's clock gives: cycles in the
 * simulation, cycles and nanoseconds live). It exports nothing; the host hands the finished spans on. Meaning of the
 * effects: `SpanEffect` in machine.ts. A host goes through a step so:
 *
 * 1. `begin(time, { name: stepName(input), context: message.trace }, effects)` once the machine has answered;
 * 2. for each effect in order: `effect(time, span)` for a span, `contextOf(send)` for a send;
 * 3. `end(time)`: the spans that this step finished.
 *
 * A step has a span of its own only where the incoming message carried a context or the machine noted one; whether it has
 * is settled before the first effect, so the place of a `note` among the effects does not matter.
 */
import { YoungMap } from "@backplane/foundation-base/young-map"
import type { ActorId } from "./actor-id.ts"
import type { Body, Effect, Input, SendEffect, SpanEffect } from "./machine.ts"
import type { Attributes, TraceContext } from "./trace-context.ts"

/** Where ids and the sampling decision come from: seeded in the simulation, random live. */
export interface SpanIdSource {
  /** 32 hexadecimal digits, not all zero. */
  traceId(): string
  /** 16 hexadecimal digits, not all zero. */
  spanId(): string
  /** Whether a new trace with this root is recorded. Children follow their root. */
  sampled(rootName: string): boolean
}

export interface FinishedSpan<Time> {
  readonly traceId: string
  readonly spanId: string
  /** Null for the root of a trace. */
  readonly parentSpanId: string | null
  /** `step`: made by the host around the handling of one input; `open`: asked for by the machine. */
  readonly origin: "step" | "open"
  readonly name: string
  readonly actor: ActorId
  readonly start: Time
  readonly end: Time
  readonly attributes: Attributes
  /** Why it failed; null where it did not. */
  readonly error: string | null
  /** The step in which a new root was opened: its cause, though not its parent. */
  readonly links: readonly TraceContext[]
}

export interface SpanBookOptions {
  readonly actor: ActorId
  readonly ids: SpanIdSource
  /** Most spans open at once; one more closes the oldest with an error. */
  readonly openMax?: number
}

interface RunningSpan<Time> {
  readonly context: TraceContext
  readonly parentSpanId: string | null
  readonly origin: "step" | "open"
  name: string
  readonly start: Time
  attributes: Attributes
  readonly links: readonly TraceContext[]
}

const OPEN_MAX_DEFAULT = 4096
const NO_ATTRIBUTES: Attributes = {}
const NO_LINKS: readonly TraceContext[] = []

/** The name of a step's span until the machine notes a better one. Carries no ids, so there are few of them. */
export function stepName(input: Input<Body> | null): string {
  if (input === null) return "start"
  return input.kind === "message" ? `handle ${input.body.kind}` : `handle ${input.kind}`
}

export class SpanBook<Time> {
  readonly #actor: ActorId
  readonly #ids: SpanIdSource
  readonly #openMax: number
  /** Oldest first: a Map keeps the order of insertion. At most `openMax`. */
  readonly #open = new YoungMap<string, RunningSpan<Time>>()
  /** The span of the current step; null between steps and in steps without one. */
  #step: RunningSpan<Time> | null = null
  #finished: FinishedSpan<Time>[] = []
  #evicted = 0

  constructor(options: SpanBookOptions) {
    this.#actor = options.actor
    this.#ids = options.ids
    this.#openMax = options.openMax ?? OPEN_MAX_DEFAULT
  }

  /** Spans that were closed only because too many were open. */
  get evicted(): number {
    return this.#evicted
  }

  get openCount(): number {
    return this.#open.size
  }

  /** Starts a step. `effects` are all that the machine answered: a `note` among them asks for a span of the step. */
  begin(time: Time, step: { readonly name: string; readonly context?: TraceContext | undefined }, effects: readonly Effect<Body>[]): void {
    const note = lastNote(effects)
    if (note === null && step.context === undefined) return
    this.#step = this.#start(time, {
      origin: "step",
      name: note ?? step.name,
      parent: step.context ?? null,
      attributes: NO_ATTRIBUTES,
      links: NO_LINKS,
    })
  }

  /** Carries out one span effect of the current step. */
  effect(time: Time, effect: SpanEffect): void {
    switch (effect.op) {
      case "open":
        return this.#onOpen(time, effect)
      case "close":
        return this.#close(time, effect.key, effect.attributes ?? NO_ATTRIBUTES, effect.error ?? null)
      case "note":
        if (this.#step !== null) this.#step.attributes = merged(this.#step.attributes, effect.attributes)
    }
  }

  /** What a send carries: the open span that it names, else the span of the step, else nothing. */
  contextOf(effect: SendEffect<Body>): TraceContext | undefined {
    const named = effect.span === undefined ? undefined : this.#open.get(effect.span)
    return (named ?? this.#step)?.context
  }

  /** Ends the step and returns what it finished, in the order of finishing. */
  end(time: Time): readonly FinishedSpan<Time>[] {
    if (this.#step !== null) {
      this.#finish(time, this.#step, null)
      this.#step = null
    }
    return this.#drain()
  }

  /** Ends every open span with an error: for a host that stops in good order. A crash loses them instead. */
  closeAll(time: Time, error: string): readonly FinishedSpan<Time>[] {
    for (const [key] of this.#open.entries()) this.#close(time, key, NO_ATTRIBUTES, error)
    return this.#drain()
  }

  #onOpen(time: Time, effect: Extract<SpanEffect, { op: "open" }>): void {
    this.#close(time, effect.key, NO_ATTRIBUTES, null)
    const oldest = this.#open.size < this.#openMax ? undefined : this.#open.firstKey()
    if (oldest !== undefined) {
      this.#evicted++
      this.#close(time, oldest, NO_ATTRIBUTES, "evicted: too many open spans")
    }
    const around = this.#step?.context ?? null
    const isRoot = effect.root === true
    const given = effect.links ?? NO_LINKS
    const links = isRoot && around !== null ? [around, ...given] : given
    const attributes = effect.attributes ?? NO_ATTRIBUTES
    const under = effect.under === undefined ? undefined : this.#open.get(effect.under)?.context
    const parent = isRoot ? null : (under ?? effect.parent ?? around)
    this.#open.set(effect.key, this.#start(time, { origin: "open", name: effect.name, parent, attributes, links }))
  }

  #close(time: Time, key: string, attributes: Attributes, error: string | null): void {
    const span = this.#open.get(key)
    if (span === undefined) return
    this.#open.delete(key)
    span.attributes = merged(span.attributes, attributes)
    this.#finish(time, span, error)
  }

  #start(
    time: Time,
    span: Omit<RunningSpan<Time>, "context" | "parentSpanId" | "start"> & { readonly parent: TraceContext | null },
  ): RunningSpan<Time> {
    const { parent, origin, name, attributes, links } = span
    return { context: this.#contextUnder(parent, name), parentSpanId: parent?.spanId ?? null, origin, name, start: time, attributes, links }
  }

  /** An unsampled trace is passed on as it came: nobody will ask for the ids between. */
  #contextUnder(parent: TraceContext | null, name: string): TraceContext {
    if (parent === null) return { traceId: this.#ids.traceId(), spanId: this.#ids.spanId(), sampled: this.#ids.sampled(name) }
    return parent.sampled ? { traceId: parent.traceId, spanId: this.#ids.spanId(), sampled: true } : parent
  }

  #finish(time: Time, span: RunningSpan<Time>, error: string | null): void {
    const { context, parentSpanId, origin, name, start, attributes, links } = span
    if (!context.sampled) return
    const { traceId, spanId } = context
    this.#finished.push({ traceId, spanId, parentSpanId, origin, name, actor: this.#actor, start, end: time, attributes, error, links })
  }

  #drain(): readonly FinishedSpan<Time>[] {
    const finished = this.#finished
    if (finished.length > 0) this.#finished = []
    return finished
  }
}

/** The last note names the step. */
function lastNote(effects: readonly Effect<Body>[]): string | null {
  let name: string | null = null
  for (const effect of effects) if (effect.kind === "span" && effect.op === "note") name = effect.name
  return name
}

function merged(first: Attributes, second: Attributes | undefined): Attributes {
  return second === undefined || second === NO_ATTRIBUTES ? first : { ...first, ...second }
}
