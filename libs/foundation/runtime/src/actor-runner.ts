/**
 * One actor in a live process: hands inputs to its machine and carries out the effects in order.
 *
 * The same for `free` and lock-step hosts, which differ only in what a send, a timer and a write mean (`EffectHandler`).
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Effect, Input, Machine, Restored, SendEffect } from "@backplane/foundation-actor/machine"
import { SpanBook, stepName, type SpanIdSource } from "@backplane/foundation-actor/span-book"
import type { TraceContext } from "@backplane/foundation-actor/trace-context"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import { unreachable } from "@backplane/foundation-base/assert"
import { wallMilliseconds } from "./paced-clock.ts"
import type { EventSink, HostTime, SpanSink } from "./sinks.ts"

/** A send without a span of its own carries the span of the step: asking for it is how the book tells which that is. */
const NO_SPAN_NAMED: SendEffect<Body> = { kind: "send", to: actorId("nobody.0"), body: { kind: "" } }

export interface EffectHandler {
  send(to: ActorId, body: Body, trace: TraceContext | undefined): void
  timer(key: string, at: VirtualTime): void
  cancel(key: string): void
  persist(key: string, value: Json): void
}

/** What every host needs besides its bus. */
export interface HostServices {
  readonly events: EventSink
  readonly spans: SpanSink
  readonly spanIds: SpanIdSource
}

export interface RunnerOptions extends HostServices {
  /** The multiprocessor that the actor belongs to. */
  readonly machineName: string
  readonly actor: ActorId
  readonly machine: Machine
  readonly restored: Restored
  readonly handler: EffectHandler
}

export class ActorRunner {
  readonly #options: RunnerOptions
  readonly #book: SpanBook<HostTime>
  #inputs = 0

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#book = new SpanBook({ actor: options.actor, ids: options.spanIds })
  }

  get inputs(): number {
    return this.#inputs
  }

  start(now: VirtualTime): void {
    const { machine, restored } = this.#options
    this.#carryOut(now, machine.start(now, restored), null, undefined)
  }

  step(now: VirtualTime, input: Input<Body>, trace?: TraceContext): void {
    this.#inputs++
    this.#carryOut(now, this.#options.machine.step(now, input), input, trace)
  }

  /** True where inputs without a trace may be handed over together. */
  get takesMany(): boolean {
    return this.#options.machine.stepAll !== undefined
  }

  /** Several inputs without a trace as one step. */
  stepAll(now: VirtualTime, inputs: readonly Input<Body>[]): void {
    this.#inputs += inputs.length
    this.#carryOut(now, this.#options.machine.stepAll?.(now, inputs) ?? [], inputs[0] ?? null, undefined)
  }

  /** An orderly end: spans that are still open are closed with `reason`. */
  close(now: VirtualTime, reason: string): void {
    const { machineName, spans } = this.#options
    for (const span of this.#book.closeAll({ virtual: now, wallMilliseconds: wallMilliseconds() }, reason)) spans.span(machineName, span)
  }

  #carryOut(now: VirtualTime, effects: readonly Effect<Body>[], input: Input<Body> | null, context: TraceContext | undefined): void {
    if (effects.length === 0 && context === undefined) return
    const { handler, machineName, spans } = this.#options
    const time: HostTime = { virtual: now, wallMilliseconds: wallMilliseconds() }
    this.#book.begin(time, { name: stepName(input), context }, effects)
    for (const effect of effects) {
      switch (effect.kind) {
        case "send":
          handler.send(effect.to, effect.body, this.#book.contextOf(effect))
          break
        case "timer":
          handler.timer(effect.key, effect.at)
          break
        case "cancel":
          handler.cancel(effect.key)
          break
        case "persist":
          handler.persist(effect.key, effect.value)
          break
        case "span":
          this.#book.effect(time, effect)
          break
        case "event":
          this.#event(now, effect)
          break
        default:
          unreachable(effect)
      }
    }
    for (const span of this.#book.end({ virtual: now, wallMilliseconds: wallMilliseconds() })) spans.span(machineName, span)
  }

  #event(at: VirtualTime, effect: Extract<Effect<Body>, { kind: "event" }>): void {
    const { machineName, actor, events } = this.#options
    const record = { name: effect.name, level: effect.level ?? "debug", fields: effect.fields ?? {}, machine: machineName, actor, at }
    const trace = this.#book.contextOf(NO_SPAN_NAMED)
    events.event(trace === undefined ? record : { ...record, trace })
  }
}
