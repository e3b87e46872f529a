/**
 * What one step says of several pages, as few messages: `gathered` puts it together, `messagesOf` takes it apart again.
 *
 * A message costs more than a page (a turn of the receiver, a write of the sender, JSON): who goes through memory asks for many pages at once,
 * and each hop handles them at once. To the protocol nothing changes: a run that is lost or doubled is its messages lost or doubled together.
 * What belongs to different spans is not put together. Pure.
 */
import { actorIndex, type ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { Body, Effect, SendEffect } from "@backplane/foundation-actor/machine"
import { defined } from "@backplane/foundation-base/assert"
import { RUN_FIELDS, RUN_PAGES_MAX, type PageBytes, type PageMessage, type PagesRun } from "@backplane/memory-contract/coherence-messages"
import type { PageText } from "./agent-options.ts"
import { joinedPages } from "./page-room.ts"

type RunKind = PagesRun["of"]
type Single = Extract<PageMessage, { kind: RunKind }>

const PAGE_BYTES = 4096
const WANTS = ["S", "E", "M"] as const

/** The same effects, with sends that fit together as one, where the first of them stood. */
export function gathered<Says extends Body>(effects: readonly Effect<Says>[]): readonly Effect<Says | PagesRun>[] {
  const first = effects.findIndex((effect) => singleOf(effect) !== null)
  // Nearly always: one page, or none.
  if (first < 0 || !effects.some((effect, index) => index > first && singleOf(effect) !== null)) return effects
  const groups = new Map<string, SendEffect<Single>[]>()
  const order: (Effect<Says> | SendEffect<Single>[])[] = []
  for (const effect of effects) {
    const single = singleOf(effect)
    const key = single === null ? null : keyOf(single)
    if (single === null || key === null) {
      order.push(effect)
      continue
    }
    const group = groups.get(key)
    if (group !== undefined && group.length < roomOf(single)) {
      group.push(single)
      continue
    }
    const begun = [single]
    groups.set(key, begun)
    order.push(begun)
  }
  return order.map((each) => (isGroup(each) ? (together(each) as SendEffect<Says | PagesRun>) : each))
}

function isGroup(each: object): each is SendEffect<Single>[] {
  return Array.isArray(each)
}

/** Nodes and homes; page stores read one message at a time. */
function takesRuns(to: ActorId): boolean {
  return !actorIndex(to).startsWith("store-")
}

function singleOf(effect: Effect<Body>): SendEffect<Single> | null {
  return effect.kind === "send" && effect.body.kind in RUN_FIELDS ? (effect as SendEffect<Single>) : null
}

function roomOf({ body }: SendEffect<Single>): number {
  return body.kind === "PageData" ? RUN_PAGES_MAX.bytes : RUN_PAGES_MAX.plain
}

/** Null: it stays alone (bytes as text, or the empty text of a frame that lies where the copy does). */
function keyOf({ to, span, body }: SendEffect<Single>): string | null {
  if (!takesRuns(to) || (body.kind === "PageData" && typeof body.bytes === "string")) return null
  return `${to} ${body.kind} ${body.epoch} ${body.node} ${span ?? ""} ${body.space}`
}

function together(group: readonly SendEffect<Single>[]): SendEffect<Single | PagesRun> {
  const bodies = group.map(({ body }) => body)
  const first = defined(group[0], "a group has a first")
  if (group.length === 1) return first
  const { to, span, body } = first
  const { space, epoch, node, kind } = body
  const numbers = bodies.flatMap((each) => RUN_FIELDS[kind].map((field) => numberOf(Reflect.get(each, field))))
  return send(
    to,
    { kind: "PagesRun", space, epoch, node, of: kind, numbers, ...(kind === "PageData" && { bytes: joinedPages(bodies.map(bytesOf)) }) },
    span,
  )
}

function bytesOf(body: Single): Uint8Array {
  if (body.kind === "PageData" && typeof body.bytes !== "string") return body.bytes
  throw new Error("bytes as text stay alone")
}

function numberOf(value: unknown): number {
  if (typeof value === "string") return WANTS.indexOf(value as (typeof WANTS)[number])
  return Number(value)
}

/** The messages that a run stands for, in their order; none where it is damaged: its numbers, or its bytes, are too few. `text`: for who takes bytes. */
export function messagesOf({ space, epoch, node, of, numbers, bytes }: PagesRun, text?: PageText): readonly Single[] {
  const fields = RUN_FIELDS[of]
  const pages = numbers.length / fields.length
  const raw = bytes === undefined ? null : rawOf(bytes, text)
  if (!Number.isInteger(pages) || (raw?.length ?? 0) !== (of === "PageData" ? pages * PAGE_BYTES : 0)) return []
  return Array.from({ length: pages }, (_, index) => {
    const body: Record<string, unknown> = { kind: of, space, epoch, node }
    fields.forEach((field, at) => {
      const value = numbers[index * fields.length + at] ?? 0
      body[field] = field === "has" ? value !== 0 : field === "want" ? (WANTS[value] ?? "S") : value
    })
    if (raw !== null) body["bytes"] = raw.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES)
    return body as unknown as Single
  })
}

function rawOf(bytes: PageBytes, text: PageText | undefined): Uint8Array | null {
  return typeof bytes === "string" ? (text?.decode(bytes) ?? null) : bytes
}
