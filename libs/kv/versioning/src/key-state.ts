/**
 * What a replica knows of one key, and the two things that may happen to it: a write here, and a join with what another knows.
 *
 * A state is a set of versions, each named by its dot, and the context: every event that was ever seen. A version that one side has
 * and the other side's context covers was overwritten there, so it goes; one that is in nobody's context is news, so it stays. Thus a
 * write needs no list of what it replaced, and concurrent writes are never mistaken for old ones. A *hollow* state has a context but
 * no versions: it remembers that what it covers is dead.
 * Laws: join is associative, commutative, idempotent; a context only grows. Source: as in vector.ts.
 */
import { isSameJson, type Json } from "@backplane/foundation-base/json"
import type { Counted, Done, Dot, KeyState, Vector, Version } from "@backplane/kv-contract/versions"
import { doubledIn, joinCounted, joinDone, laterDone, placeIn, unitedDone } from "./done.ts"
import { compareDots, covers, descends, isSameDot, joinVectors, NO_EVENTS, withDot } from "./vector.ts"
import type { Reconciler } from "./reconcile/reconciler.ts"

export const NOTHING_KNOWN: KeyState = { context: NO_EVENTS, versions: [] }

export function isHollow(state: KeyState): boolean {
  return state.versions.length === 0 && state.crdt === undefined
}

/** True where all that is left of the key are deletions. */
export function isTombstone(state: KeyState): boolean {
  return state.crdt === undefined && state.versions.length > 0 && state.versions.every((version) => version.value === null)
}

/** Joins what two replicas know. Returns `a` itself where `b` has no news, `b` itself where it has all that `a` has. */
export function joinStates(reconciler: Reconciler, a: KeyState, b: KeyState): KeyState {
  if (a === b) return a
  const joined = reconciler.crdt === null ? joinVersions(reconciler, a, b) : joinCrdts(reconciler.crdt.merge, a, b)
  const later = reconciler.crdt === null ? laterDone(a.done, b.done, joined.versions) : null
  // Of a request that nobody knew, and that made all that is left, nothing was done twice.
  if (later !== null) return withRequests(joined, later, joinCounted(a.counted, b.counted, later))
  const united = unitedDone(a.done, b.done)
  const done = joinDone(a.done, b.done, { united, versions: joined.versions })
  if (done === undefined || united === undefined) return joined
  const counted = joinCounted(a.counted, b.counted, done)
  const isWhole = joined.done === done && joined.counted === counted
  const state = isWhole ? joined : withRequests(joined, done, counted)
  // Who knew all of the requests has mended what they did twice. What is forgotten in this moment can still tell that.
  return united === a.done || united === b.done ? state : withoutDoubles(reconciler, state, united)
}

/** Field by field: each write of each replica comes by here, and a spread that leaves a field out is many times dearer. */
function withRequests({ context, versions, crdt }: KeyState, done: Done, counted: Counted | undefined): KeyState {
  const state: KeyState = crdt === undefined ? { context, versions, done } : { context, versions, crdt, done }
  return counted === undefined ? state : { ...state, counted }
}

/** Where a request made several events: as if it had made one. */
function withoutDoubles(reconciler: Reconciler, state: KeyState, done: Done): KeyState {
  // The later of two events wins as of any two writes: nothing is to be mended.
  if (reconciler.crdt === null && !reconciler.endsTogether) return state
  let mended = state
  for (const { events } of doubledIn(done)) {
    const { crdt, versions, counted } = mended
    const isLeft = ({ dot }: { readonly dot: Dot }): boolean => versions.some((version) => isSameDot(version.dot, dot))
    if (reconciler.crdt !== null) {
      const { twice, merge } = reconciler.crdt
      if (twice === undefined || crdt === undefined) continue
      // Whichever of the events told: it was one request.
      const place = placeIn(
        counted,
        events.map(({ dot }) => dot),
      )
      const back = events.slice(1).map(({ dot, amount }) => twice.takeBack(dot, amount, place))
      mended = { ...mended, crdt: back.reduce(merge, crdt) }
    } else if (reconciler.endsTogether && !events.every(isLeft))
      mended = { ...mended, versions: versions.filter((version) => !events.some(({ dot }) => isSameDot(version.dot, dot))) }
  }
  return mended
}

/** The state without the versions, which count as seen all the same: replaced. */
export function withoutVersions(state: KeyState, dead: readonly Dot[]): KeyState {
  const versions = state.versions.filter(({ dot }) => !dead.some((each) => isSameDot(each, dot)))
  return versions.length === state.versions.length ? state : { ...state, versions }
}

/** The versions that a reader is shown: of a request that made several, one. */
export function shownVersions({ versions, done }: KeyState): readonly Version[] {
  if (done === undefined || versions.length < 2) return versions
  const again = doubledIn(done).flatMap(({ events }) =>
    events.filter(({ dot }) => versions.some((each) => isSameDot(each.dot, dot))).slice(1),
  )
  return again.length === 0 ? versions : versions.filter(({ dot }) => !again.some((each) => isSameDot(each.dot, dot)))
}

function joinVersions(reconciler: Reconciler, a: KeyState, b: KeyState): KeyState {
  if (supersedes(b, a)) return supersedes(a, b) ? a : b
  const kept = [
    ...a.versions.filter((version) => isIn(b.versions, version) || !covers(b.context, version.dot)),
    ...b.versions.filter((version) => !isIn(a.versions, version) && !covers(a.context, version.dot)),
  ]
  const context = joinVectors(a.context, b.context)
  const versions = reconciler.keep(inOrder(kept))
  if (context === a.context && sameVersions(versions, a.versions)) return a
  return { context, versions }
}

/** A write by `dot.writer` on top of `state`: replaces what `seen` covers, stays beside the rest. `done` is left to the caller. */
export function writeVersion(
  reconciler: Reconciler,
  state: KeyState,
  write: { readonly dot: Dot; readonly value: string | null; readonly seen: Vector },
): KeyState {
  const { dot, value, seen } = write
  const unseen = state.versions.filter((version) => !covers(seen, version.dot))
  const { done } = state
  // Who saw one event of a request that made two replaces both.
  const rest =
    done === undefined || unseen.length === state.versions.length
      ? unseen
      : withoutDoubles(reconciler, { ...state, versions: unseen }, done).versions
  return {
    context: withDot(joinVectors(state.context, seen), dot),
    versions: reconciler.keep(inOrder([...rest, { dot, value }])),
  }
}

/** An operation of a CRDT on top of `state`: its delta is joined in. */
export function writeDelta(
  merge: (a: Json, b: Json) => Json,
  state: KeyState,
  write: { readonly dot: Dot; readonly delta: Json },
): KeyState {
  const crdt = state.crdt === undefined ? write.delta : merge(state.crdt, write.delta)
  return { context: withDot(state.context, write.dot), versions: [], crdt }
}

/** One of the two itself where it is the join: who is told what it knows has nothing to write, or it would never be all on a slow disk. */
function joinCrdts(merge: (a: Json, b: Json) => Json, a: KeyState, b: KeyState): KeyState {
  const context = joinVectors(a.context, b.context)
  if (b.crdt === undefined) return context === a.context ? a : { ...a, context }
  const crdt = a.crdt === undefined ? b.crdt : merge(a.crdt, b.crdt)
  if (context === a.context && a.crdt !== undefined && isSameJson(crdt, a.crdt)) return a
  if (descends(b.context, a.context) && isSameJson(crdt, b.crdt)) return b
  return { context, versions: [], crdt }
}

/** True where the join of the two is `a`: it has seen all of `b`, and has no version that `b` saw die. */
function supersedes(a: KeyState, b: KeyState): boolean {
  return descends(a.context, b.context) && a.versions.every((version) => !covers(b.context, version.dot) || isIn(b.versions, version))
}

function isIn(versions: readonly Version[], version: Version): boolean {
  return versions.some((other) => isSameDot(other.dot, version.dot))
}

/** The list itself where it is in order: mostly one version is there, or a later one behind it. */
function inOrder(versions: Version[]): Version[] {
  for (let at = 1; at < versions.length; at++)
    if (compareDots((versions[at - 1] as Version).dot, (versions[at] as Version).dot) > 0)
      return versions.toSorted((a, b) => compareDots(a.dot, b.dot))
  return versions
}

function sameVersions(a: readonly Version[], b: readonly Version[]): boolean {
  return a.length === b.length && a.every((version, index) => isSameDot(version.dot, b[index]?.dot ?? ["", 0]))
}
