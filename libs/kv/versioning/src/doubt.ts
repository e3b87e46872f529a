/**
 * Which versions that a state brings may have been replaced where nobody remembers it any more.
 *
 * Goal: one holder alone has a version (its coordinator was cut off, or lost it with its power, or the holder came back with an old disk); the request
 * behind it is done by others, replaced, and more requests of the key are done than a key remembers (done.ts). Then nothing tells that version from a new
 * one: it would stand beside what replaced it. Such a version was promised to nobody, for a write under W ≥ 2 is answered when two have it on disk.
 * Here is how it is recognised: one alone knows of it, and all others may have forgotten its request. Who asks whom is kv/replica's.
 * A key that was deleted and collected has forgotten all of its requests: `collected` is the time up to which that may be so (of the latest event
 * that a certificate covered, when all replicas had the same).
 */
import type { Done, Dot, KeyState } from "@backplane/kv-contract/versions"
import { DONE_SEQUENCES_MAX } from "@backplane/kv-contract/limits"
import { joinDone, mayHaveForgotten, remembers } from "./done.ts"
import type { Reconciler } from "./reconcile/reconciler.ts"
import { covers, isSameDot } from "./vector.ts"

/** Whether versions of the policy can be in doubt: of counters each event counts, and where only the latest is kept that decides. */
export function canBeDoubted({ crdt, endsTogether }: Reconciler): boolean {
  return crdt === null && endsTogether
}

/** Versions of `told` that are news to who knows `known`, and whose requests it may have forgotten. */
export function doubtfulDots(known: KeyState, told: KeyState, collected: number): readonly Dot[] {
  const { done } = known
  const latest = done === undefined || done.length < DONE_SEQUENCES_MAX ? 0 : Number.parseInt(done.at(-1) ?? "0", 10)
  return told.versions.flatMap(({ dot }) => {
    // Nearly always: what comes is later than all that was.
    if (dot[1] > latest && dot[1] > collected) return []
    return !covers(known.context, dot) && mayHaveForgotten(done, told.done, dot, collected) ? [dot] : []
  })
}

/**
 * Versions of `told` that `known` has seen and does not show, and whose requests it does not remember: refused, or replaced so long ago that it looks the
 * same. Nearly always none, for what is told is news or still remembered.
 */
export function deadDots(known: KeyState, told: KeyState): readonly Dot[] {
  return told.versions.flatMap(({ dot }) => {
    if (!covers(known.context, dot) || known.versions.some((each) => isSameDot(each.dot, dot))) return []
    return remembers(known.done, dot) ? [] : [dot]
  })
}

/** What one of the holders told of the key. */
export interface Witness {
  readonly state: KeyState
  /** It lost data, and may have lost what it does not know of. */
  readonly unsure: boolean
  /** Something of the key was promised by it alone, or with a stand-in. */
  readonly weak: boolean
  /** Up to this time it may have collected what it knew. */
  readonly collected: number
}

/** Of the dots, or of all that the witnesses show: those that one of them alone knows of, and whose requests all others may have forgotten. */
export function loneDots(
  witnesses: readonly Witness[],
  dots: readonly Dot[] = witnesses.flatMap(({ state }) => state.versions.map(({ dot }) => dot)),
): readonly Dot[] {
  return dots.filter((dot) => {
    const [knower, second] = witnesses.filter(({ state }) => covers(state.context, dot))
    const others = witnesses.filter((each) => each !== knower)
    if (second !== undefined || knower?.weak === true || others.some(({ unsure }) => unsure)) return false
    const collected = Math.max(0, ...others.map((each) => each.collected))
    const done = others.reduce<Done | undefined>((all, { state }) => joinDone(all, state.done), undefined)
    return mayHaveForgotten(done, knower?.state.done, dot, collected)
  })
}
