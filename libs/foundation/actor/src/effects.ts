/** Short makers of effects, so that a handler reads as the list of what it does. */
import type { Json } from "@backplane/foundation-base/json"
import type { ActorId } from "./actor-id.ts"
import type { Body, CancelEffect, EventEffect, PersistEffect, SendEffect, SpanEffect, TimerEffect } from "./machine.ts"
import type { Attributes, TraceContext } from "./trace-context.ts"
import type { VirtualTime } from "./virtual-time.ts"

export function send<Says extends Body>(to: ActorId, body: Says, span?: string): SendEffect<Says> {
  return span === undefined ? { kind: "send", to, body } : { kind: "send", to, body, span }
}

export function timer(key: string, at: VirtualTime): TimerEffect {
  return { kind: "timer", key, at }
}

export function cancel(key: string): CancelEffect {
  return { kind: "cancel", key }
}

export function persist(key: string, value: Json): PersistEffect {
  return { kind: "persist", key, value }
}

export function openSpan(
  key: string,
  name: string,
  attributes: Attributes = {},
  options: {
    readonly root?: boolean
    readonly parent?: TraceContext
    readonly under?: string
    readonly links?: readonly TraceContext[]
  } = {},
): SpanEffect {
  return { kind: "span", op: "open", key, name, attributes, ...options }
}

export function closeSpan(key: string, attributes: Attributes = {}, error?: string): SpanEffect {
  return error === undefined ? { kind: "span", op: "close", key, attributes } : { kind: "span", op: "close", key, attributes, error }
}

export function noteSpan(name: string, attributes: Attributes = {}): SpanEffect {
  return { kind: "span", op: "note", name, attributes }
}

export function event(name: string, fields: Attributes = {}, level: EventEffect["level"] = "debug"): EventEffect {
  return { kind: "event", name, fields, level }
}
