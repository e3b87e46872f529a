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
import {
  RUN_FIELDS,
  RUN_PAGES_MAX,
  RUN_PAGES_UNTOLD,
  type PageBytes,
  type PageMessage,
  type PagesRun,
} from "@backplane/memory-contract/coherence-messages"
import type { PageText } from "./agent-options.ts"
import { joinedPages } from "./page-room.ts"

type RunKind = PagesRun["of"]
type Single = Extract<PageMessage, { kind: RunKind }>

const PAGE_BYTES = 4096
const WANTS = ["S", "E", "M"] as const

/** Pages with their bytes in one message to that actor. */
export type RunPagesTo = (to: ActorId) => number

/** The same effects, with sends that fit together as one, where the first of them stood. */
export function gathered<Says extends Body>(
  effects: readonly Effect<Says>[],
  runPagesTo: RunPagesTo = () => RUN_PAGES_UNTOLD,
): readonly Effect<Says | PagesRun>[] {
  const first = effects.findIndex((effect) => singleOf(effect) !== null)
  // Nearly always: one page, or none.
  if (first < 0 || !effects.some((effect, index) => index > first && singleOf(effect) !== null)) return effects
  const groups = new Map<string, SendEffect<Single>[]>()
  const order: (Effect<Says> | SendEffect<Single>[])[] = []
  let latest: SendEffect<Single>[] | null = null
  for (const effect of effects) {
    const single = singleOf(effect)
    if (single !== null && latest !== null && goesWith(latest, single, runPagesTo)) {
      latest.push(single)
      continue
    }
    const key = single === null ? null : keyOf(single)
    if (single === null || key === null) {
      order.push(effect)
      continue
    }
    const group = groups.get(key)
    if (group !== undefined && group.length < roomOf(single, runPagesTo)) {
      group.push(single)
      latest = group
      continue
    }
    const begun = [single]
    latest = begun
    groups.set(key, begun)
    order.push(begun)
  }
  return order.map((each) => (isGroup(each) ? (together(each) as SendEffect<Says | PagesRun>) : each))
}

/** Does it go to the same message as the one before it? Nearly always; then no key need be made. */
function goesWith(group: readonly SendEffect<Single>[], { to, span, body }: SendEffect<Single>, runPagesTo: RunPagesTo): boolean {
  const [first] = group
  if (first === undefined || first.to !== to || first.span !== span || (body.kind === "PageData" && typeof body.bytes === "string"))
    return false
  const { kind, epoch, node, space } = first.body
  return (
    kind === body.kind && epoch === body.epoch && node === body.node && space === body.space && group.length < roomOf(first, runPagesTo)
  )
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

function roomOf({ to, body }: SendEffect<Single>, runPagesTo: RunPagesTo): number {
  return body.kind === "PageData" ? runPagesTo(to) : RUN_PAGES_MAX.plain
}

/** Null: it stays alone (bytes as text, or the empty text of a frame that lies where the copy does). */
function keyOf({ to, span, body }: SendEffect<Single>): string | null {
  if (!takesRuns(to) || (body.kind === "PageData" && typeof body.bytes === "string")) return null
  return `${to} ${body.kind} ${body.epoch} ${body.node} ${span ?? ""} ${body.space}`
}

function together(group: readonly SendEffect<Single>[]): SendEffect<Single | PagesRun> {
  const first = defined(group[0], "a group has a first")
  if (group.length === 1) return first
  const { to, span, body } = first
  const { space, epoch, node, kind } = body
  const numbers: number[] = []
  for (const each of group) pushNumbers(numbers, each.body)
  const bytes = kind === "PageData" ? joinedPages(group.map((each) => bytesOf(each.body))) : undefined
  return send(to, { kind: "PagesRun", space, epoch, node, of: kind, numbers, ...(bytes !== undefined && { bytes }) }, span)
}

function bytesOf(body: Single): Uint8Array {
  if (body.kind === "PageData" && typeof body.bytes !== "string") return body.bytes
  throw new Error("bytes as text stay alone")
}

/** As `RUN_FIELDS` has them. Written out: this is done for each page of each hop. */
function pushNumbers(numbers: number[], body: Single): void {
  switch (body.kind) {
    case "PageGetS":
    case "PageGetM":
      numbers.push(body.page, body.txn, body.has ? 1 : 0)
      return
    case "PageUnblock":
      numbers.push(body.page, body.txn)
      return
    case "PageFetch":
      numbers.push(body.page, body.txn, body.serial, WANTS.indexOf(body.want), body.acks)
      return
    case "PageData":
      numbers.push(body.page, body.txn, body.serial, WANTS.indexOf(body.want), body.acks, body.version, body.home)
  }
}

/** The messages that a run stands for, in their order; none where it is damaged: its numbers, or its bytes, are too few. `text`: for who takes bytes. */
export function messagesOf(run: PagesRun, text?: PageText): readonly Single[] {
  const { of, numbers, bytes } = run
  const width = RUN_FIELDS[of].length
  const pages = numbers.length / width
  const raw = bytes === undefined ? null : rawOf(bytes, text)
  if (!Number.isInteger(pages) || (raw?.length ?? 0) !== (of === "PageData" ? pages * PAGE_BYTES : 0)) return []
  const messages: Single[] = []
  for (let index = 0; index < pages; index++) {
    const page = raw?.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES) ?? null
    messages.push(messageAt(run, index * width, page))
  }
  return messages
}

/** The message whose numbers begin there. */
function messageAt({ space, epoch, node, of, numbers }: PagesRun, at: number, bytes: Uint8Array | null): Single {
  const [page, txn] = [numberAt(numbers, at), numberAt(numbers, at + 1)]
  switch (of) {
    case "PageGetS":
    case "PageGetM":
      return { kind: of, space, page, epoch, node, txn, has: numberAt(numbers, at + 2) !== 0 }
    case "PageUnblock":
      return { kind: of, space, page, epoch, node, txn }
  }
  const [serial, want, acks] = [numberAt(numbers, at + 2), WANTS[numberAt(numbers, at + 3)] ?? "S", numberAt(numbers, at + 4)]
  if (of === "PageFetch") return { kind: of, space, page, epoch, node, txn, serial, want, acks }
  const [version, home] = [numberAt(numbers, at + 5), numberAt(numbers, at + 6)]
  return { kind: of, space, page, epoch, node, txn, serial, want, acks, version, home, bytes: bytes ?? NOTHING }
}

const NOTHING = new Uint8Array(0)

function numberAt(numbers: readonly number[], at: number): number {
  return numbers[at] ?? 0
}

function rawOf(bytes: PageBytes, text: PageText | undefined): Uint8Array | null {
  return typeof bytes === "string" ? (text?.decode(bytes) ?? null) : bytes
}
