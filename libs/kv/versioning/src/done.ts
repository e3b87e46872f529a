/**
 * Which request made which event of a key: what makes a repeated request one write, whoever coordinates it and whatever is forgotten meanwhile.
 *
 * Goal: a request that is sent again (its coordinator died, its partition moved, the network doubled it) has one effect. Procedure: the state of a
 * key carries its last requests with the event that each made, and they are joined as the rest is, so they go wherever the state goes: with writes,
 * hints, repairs, moves. A coordinator that finds the request there makes no second event. Where two coordinators each made one, not knowing of the
 * other, the join that learns of both mends it: what replaced one of them replaced all of them (siblings, handlers); of counters all but the
 * earliest are taken back, of one inside a map at the place that `counted` tells. Limits: the last few requests of a key (`DONE_…_MAX`), those that their callers named longer; `lww` lets the later of two events win, as of any two writes.
 */
import { compareText } from "@backplane/foundation-base/json"
import { sameRequest } from "@backplane/kv-contract/idempotency"
import { DONE_NAMES_MAX, DONE_SEQUENCES_MAX } from "@backplane/kv-contract/limits"
import type { Counted, Done, Dot, Version } from "@backplane/kv-contract/versions"
import { isSameDot } from "./vector.ts"

/** Of each kind, at most so many are remembered for longer than their turn. */
const PINNED_MAX = 4

/** The name of a request: the same for all its attempts. Behind a `~`: the caller's own, which anybody may repeat. */
export type RequestName = readonly [requester: string, sequence: number]

/** A request that made more than one event, those in order. */
export interface Doubled {
  readonly events: readonly { readonly dot: Dot; readonly amount: number }[]
}

/** `amount`: what a counter was changed by, 0 for all else. */
export function doneText([requester, sequence]: RequestName, [writer, time]: Dot, amount: number): string {
  return `${time} ${writer} ${amount} ${sequence} ${requester}`
}

/** Which counter of a value with many the event changed. */
export function countedText([writer, time]: Dot, place: string): string {
  return `${time} ${writer} ${place}`
}

/** Both lists as one, of the events in `done` alone: one of the two itself where it is that already. */
export function joinCounted(a: Counted | undefined, b: Counted | undefined, done: Done): Counted | undefined {
  if ((a === undefined || a.length === 0) && (b === undefined || b.length === 0)) return undefined
  const events = new Set(done.map(eventIn))
  const all = [...(a ?? []), ...(b ?? []).filter((text) => a?.includes(text) !== true)].filter((text) => events.has(eventIn(text)))
  const joined = all.sort(compareDone)
  const isSame = (list: Counted | undefined): boolean => list?.length === joined.length && list.every((text, at) => text === joined[at])
  return joined.length === 0 ? undefined : isSame(a) ? a : isSame(b) ? b : joined
}

/** The place that one of these events counted at; null where none told. */
export function placeIn(counted: Counted | undefined, dots: readonly Dot[]): string | null {
  const text = counted?.find((each) => dots.some(([writer, time]) => each.startsWith(`${time} ${writer} `)))
  return text === undefined ? null : text.slice(eventIn(text).length + 1)
}

/** `time writer`: what a text of either list begins with. */
function eventIn(text: string): string {
  return text.slice(0, text.indexOf(" ", text.indexOf(" ") + 1))
}

/** The latest event of the requests that are remembered. */
export function lastDone(done: Done | undefined): Dot | undefined {
  const [time, writer] = done?.at(-1)?.split(" ") ?? []
  return time === undefined || writer === undefined ? undefined : [writer, Number(time)]
}

/** Whether the request made an event of the key, as far as is remembered. */
export function isDone(done: Done | undefined, [requester, sequence]: RequestName): boolean {
  if (done === undefined) return false
  const end = ` ${sequence} ${requester}`
  // A requester's name may have spaces in it, so an end alone could be that of another's.
  return done.some((text) => text.endsWith(end) && nameIn(text) === end.slice(1))
}

/** As `isDone`; "reused": it is not, and another request was done under the same name that callers gave both. */
export function standingOf(done: Done | undefined, name: RequestName): "new" | "done" | "reused" {
  const [requester] = name
  if (isDone(done, name)) return "done"
  if (done === undefined || !requester.startsWith("~")) return "new"
  const alike = done.filter(isNamed).map((text) => sameRequest(requesterIn(text), requester))
  return alike.includes("same") ? "done" : alike.includes("reused") ? "reused" : "new"
}

/** Both lists as one, with what is going to be forgotten: one of the two itself where the other adds nothing to it. */
export function unitedDone(a: Done | undefined, b: Done | undefined): Done | undefined {
  if (a === b || b === undefined) return a
  if (a === undefined) return b
  // `a` first: who is told what it knows has nothing to write.
  const news = b.filter((text) => !a.includes(text))
  if (news.length === 0) return a
  return a.every((text) => b.includes(text)) ? b : inOrder(a, news)
}

/**
 * Both lists as one: one of the two itself where the other adds nothing to it. The latest stay; and requests that made several events while one of them is
 * among `versions`, for who replaces that one replaces all.
 */
export function joinDone(
  a: Done | undefined,
  b: Done | undefined,
  { united = unitedDone(a, b), versions = [] }: { readonly united?: Done | undefined; readonly versions?: readonly Version[] } = {},
): Done | undefined {
  if (united === undefined || united === a || united === b) return united
  const joined = latest(united, versions)
  return joined.length === a?.length && joined.every((text, at) => text === a[at]) ? a : joined
}

/**
 * `joinDone` where it is simple, as for nearly every write: `b` tells of one request, later than all in `a` and not among them, and the versions that are
 * left are its own, so that nothing is pinned (a request that made several events would have one of them there). Null: it is not that simple.
 */
export function laterDone(a: Done | undefined, b: Done | undefined, versions: readonly Version[]): Done | null {
  const [only] = versions
  if (a === undefined || b?.length !== 1 || only === undefined || versions.length > 1) return null
  const text = b[0] as string
  const isFull = a.length === DONE_SEQUENCES_MAX
  if (a.length === 0 || a.length > DONE_SEQUENCES_MAX || (isFull && text.includes("~"))) return null
  if (!isOfEvent(text, only.dot) || Number.parseInt(a[a.length - 1] as string, 10) >= only.dot[1]) return null
  const name = text.slice(nameAt(text) - 1)
  for (const each of a) if (each.endsWith(name) || (isFull && each.includes("~"))) return null
  // Made as long as it will be: what grows is copied, with room that is never used.
  const dropped = isFull ? 1 : 0
  const next = new Array<string>(a.length + 1 - dropped)
  for (let at = dropped; at < a.length; at++) next[at - dropped] = a[at] as string
  next[a.length - dropped] = text
  return next
}

/** `sorted`, as lists of requests are, with `news` among it: mostly one that is later than all. */
function inOrder(sorted: Done, news: readonly string[]): string[] {
  const all = [...sorted]
  for (const text of news) {
    let at = all.length
    while (at > 0 && compareDone(all[at - 1] as string, text) > 0) at--
    all.splice(at, 0, text)
  }
  return all
}

function isNamed(text: string): boolean {
  // One letter is looked for much faster than two, and nearly always it is not there.
  return text.includes("~") && nameIn(text).includes(" ~")
}

function latest(sorted: Done, versions: readonly Version[]): Done {
  if (sorted.length <= DONE_SEQUENCES_MAX) return sorted
  const pinned = pinnedIn(sorted, versions)
  const named = latestOf(sorted.filter(isNamed), pinned, DONE_NAMES_MAX)
  if (named.length === 0) return latestOf(sorted, pinned, DONE_SEQUENCES_MAX)
  const numbered = latestOf(
    sorted.filter((text) => !isNamed(text)),
    pinned,
    DONE_SEQUENCES_MAX,
  )
  return [...named, ...numbered].sort(compareDone)
}

function latestOf(sorted: Done, pinned: Done, most: number): Done {
  if (sorted.length <= most) return sorted
  const kept = sorted.filter((text) => pinned.includes(text)).slice(-PINNED_MAX)
  if (kept.length === 0) return sorted.slice(-most)
  return [...kept, ...sorted.filter((text) => !kept.includes(text)).slice(kept.length - most)].sort(compareDone)
}

/** Requests that made several events of which one is still shown. */
function pinnedIn(done: Done, versions: readonly Version[]): Done {
  const shown = doubledIn(done).filter(({ events }) => events.some(({ dot }) => versions.some((each) => isSameDot(each.dot, dot))))
  if (shown.length === 0) return []
  const events = shown.flatMap((each) => each.events.map(({ dot: [writer, time] }) => `${time} ${writer}`))
  return done.filter((text) => events.includes(eventIn(text)))
}

/** Whether the request that made the event is remembered. */
export function remembers(done: Done | undefined, dot: Dot): boolean {
  return textOf(done, dot) !== undefined
}

function textOf(done: Done | undefined, dot: Dot): string | undefined {
  return done?.find((each) => isOfEvent(each, dot))
}

function isOfEvent(text: string, [writer, time]: Dot): boolean {
  const start = text.indexOf(" ") + 1
  return Number.parseInt(text, 10) === time && text.startsWith(writer, start) && text[start + writer.length] === " "
}

/**
 * Whether `done` may have forgotten the request that made the event, which `own` may still name: it is not there, and as many of its kind as are
 * remembered came later; or the event is not later than `collected`, when all that was done may have gone with the key.
 */
export function mayHaveForgotten(done: Done | undefined, own: Done | undefined, [writer, time]: Dot, collected = 0): boolean {
  const text = textOf(own, [writer, time])
  if (text !== undefined && done?.some((each) => nameIn(each) === nameIn(text)) === true) return false
  if (time <= collected) return true
  const [named, numbered] = [isPast(done, true, time), isPast(done, false, time)]
  return text === undefined ? named || numbered : isNamed(text) ? named : numbered
}

/**
 * Whether a request that was sent first at `since`, and is not in `done`, may have been done and forgotten: as many were later as are remembered, or the key
 * may have been collected since. `forgotten`: nothing later was collected; a key that remembers what is not later than `since` was not collected after that.
 */
export function mayHaveBeenDone(done: Done | undefined, [requester]: RequestName, since: number, forgotten = 0): boolean {
  if (isPast(done, requester.startsWith("~"), since)) return true
  return forgotten > since && (done ?? []).every((text) => Number.parseInt(text, 10) > since)
}

/** As many requests of the kind as are remembered, all later than `time`. */
function isPast(done: Done | undefined, isOfKind: boolean, time: number): boolean {
  const kind = done?.filter((each) => isNamed(each) === isOfKind) ?? []
  // Of those that are remembered for longer than their turn (`joinDone`) each is there twice: they say nothing of what was forgotten.
  const isPinned = (text: string): boolean => kind.filter((each) => nameIn(each) === nameIn(text)).length > 1
  const most = isOfKind ? DONE_NAMES_MAX : DONE_SEQUENCES_MAX
  return kind.length >= most && kind.every((each) => Number.parseInt(each, 10) > time || isPinned(each))
}

/** What is in `done` and not in `known`: mostly what came behind it. */
export function newsIn(done: Done, known: Done): Done {
  const first = done[0]
  const start = first === undefined ? -1 : known.indexOf(first)
  let at = 0
  if (start >= 0) while (start + at < known.length && done[at] === known[start + at]) at++
  // All that it has from the first on is at the beginning, in order, so what follows is later than all of it.
  if (start >= 0 && start + at === known.length) return done.slice(at)
  return done.filter((text) => !known.includes(text))
}

/** The requests in the list that made more than one event. */
export function doubledIn(done: Done): readonly Doubled[] {
  // Nearly always none: each write of a key asks.
  if (new Set(done.map(nameIn)).size === done.length) return []
  const events = new Map<string, { dot: Dot; amount: number }[]>()
  for (const text of done) {
    const [time, writer = "", amount] = text.split(" ", 3)
    const name = nameIn(text)
    events.set(name, [...(events.get(name) ?? []), { dot: [writer, Number(time)], amount: Number(amount) }])
  }
  return [...events.values()].filter((each) => each.length > 1).map((each) => ({ events: each }))
}

/** `sequence requester`: what stands behind the event. */
function nameIn(text: string): string {
  return text.slice(nameAt(text))
}

function nameAt(text: string): number {
  let at = -1
  for (let field = 0; field < 3; field++) at = text.indexOf(" ", at + 1)
  return at + 1
}

function requesterIn(text: string): string {
  const name = nameIn(text)
  return name.slice(name.indexOf(" ") + 1)
}

/** By time as numbers, then as texts: the order of the events. */
function compareDone(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10) || compareText(a, b)
}
