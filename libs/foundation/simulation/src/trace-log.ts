/**
 * The last things that happened, one record each, formatted only when somebody asks.
 *
 * `<time> <actor> <what>`, where what is `< from #sequence Kind {…}` (heard), `> to Kind {…}` (said), `due key`, `set key
 * time`, `cancelled key`, `persist key value`, `persisted key`, `event name {…}`, `span …`, or words of the world itself.
 */
import { assert, unreachable } from "@backplane/foundation-base/assert"
import { RingBuffer } from "@backplane/foundation-base/ring-buffer"
import type { Due } from "@backplane/foundation-actor/agenda"
import type { Body, Effect, SpanEffect } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { fieldsText, stableText } from "./stable-text.ts"

export interface TraceRecord {
  readonly at: VirtualTime
  /** An actor's name or `world`. */
  readonly who: string
  readonly what: Due | Effect<Body> | string
}

export class TraceLog {
  readonly #ring: RingBuffer<TraceRecord>

  constructor(linesMax: number) {
    assert(Number.isInteger(linesMax) && linesMax >= 1, "a trace keeps at least one line")
    this.#ring = new RingBuffer<TraceRecord>(linesMax)
  }

  /** How many records have been made in all. */
  get count(): number {
    return this.#ring.dropped + this.#ring.length
  }

  add(at: VirtualTime, who: string, what: TraceRecord["what"]): void {
    this.#ring.push({ at, who, what })
  }

  /** The last lines, oldest first; at most `last` where given. */
  lines(last = Number.POSITIVE_INFINITY): string[] {
    const records = [...this.#ring]
    return records.slice(Math.max(0, records.length - last)).map(traceLine)
  }
}

function traceLine(record: TraceRecord): string {
  return `${record.at} ${record.who} ${typeof record.what === "string" ? record.what : whatText(record.what)}`
}

/** The text of an input or effect: of trace lines, and what the fingerprint of a run is taken over. */
function whatText(what: Due | Effect<Body>): string {
  return "class" in what ? dueText(what) : effectText(what)
}

function dueText(due: Due): string {
  switch (due.class) {
    case "message":
      return `< ${due.from} #${due.sequence} ${due.body.kind} ${fieldsText(due.body)}`
    case "persisted":
      return `persisted ${due.key}`
    case "timer":
      return `due ${due.key}`
    default:
      return unreachable(due)
  }
}

export function effectText(effect: Effect<Body>): string {
  switch (effect.kind) {
    case "send":
      return `> ${effect.to} ${effect.body.kind} ${fieldsText(effect.body)}`
    case "timer":
      return `set ${effect.key} ${effect.at}`
    case "cancel":
      return `cancelled ${effect.key}`
    case "persist":
      return `persist ${effect.key} ${stableText(effect.value)}`
    case "event":
      return `event ${effect.name} ${stableText(effect.fields ?? {})}`
    case "span":
      return `span ${spanText(effect)}`
    default:
      return unreachable(effect)
  }
}

function spanText(effect: SpanEffect): string {
  const attributes = stableText(effect.attributes ?? {})
  switch (effect.op) {
    case "open":
      return `open ${effect.key} ${effect.name}${effect.root === true ? " (root)" : ""} ${attributes}`
    case "close":
      return `close ${effect.key}${effect.error === undefined ? "" : ` error ${JSON.stringify(effect.error)}`} ${attributes}`
    case "note":
      return `note ${effect.name} ${attributes}`
    default:
      return unreachable(effect)
  }
}
