/**
 * How frames are won back when a node runs short of them: as decisions, pure.
 *
 * Goal: a first touch finds a frame. Terms: a node's *level* is how short it is; the *goal* is where reclaiming ends. Procedure, as ESX Server's
 * (Waldspurger, OSDI 2002, section 6.3: 6, 4, 2 and 1 percent free): high, nothing is done; soft, guests are asked to give pages back (balloon);
 * hard, pages go to the page store (swap); low, whoever needs a frame waits for one. Which pages: by chance, since a clever choice would be the
 * guest's own, which then brings the page in only to write it out itself; but of a few drawn the one that was asked for longest ago.
 * Limits: how often a page is used by whoever holds it is not known here, only when it was last asked for.
 */
import type { Random } from "@backplane/foundation-base/random"
import type { NewPage, Placement } from "./place-page.ts"

export type ReclaimLevel = "high" | "soft" | "hard" | "low"

const GOAL_PERCENT = 6
const SOFT_PERCENT = 4
const HARD_PERCENT = 2
const LOW_PERCENT = 1
/** Of so many drawn, the one that was asked for longest ago goes. */
const SAMPLE = 8

export function reclaimLevel(free: number, frames: number): ReclaimLevel {
  if (free * 100 >= frames * SOFT_PERCENT) return "high"
  if (free * 100 >= frames * HARD_PERCENT) return "soft"
  return free * 100 >= frames * LOW_PERCENT && free > 0 ? "hard" : "low"
}

/** Frames that are missing to where guests are asked for no more. */
export function missingForBalloon(free: number, frames: number): number {
  return Math.max(0, Math.ceil((frames * GOAL_PERCENT) / 100) - free)
}

/** Frames that pages must leave for the level to be soft again. */
export function missingForSwap(free: number, frames: number): number {
  const level = reclaimLevel(free, frames)
  return level === "hard" || level === "low" ? Math.max(1, Math.ceil((frames * SOFT_PERCENT) / 100) - free) : 0
}

export interface SpaceFrames {
  readonly space: string
  /** Frames that it has now, and pages that it has given back. */
  readonly frames: number
  readonly given: number
}

/** Pages that each space is asked to do without in all: what it gave, and of the missing frames its part by size. */
export function balloonTargets(spaces: readonly SpaceFrames[], missing: number): ReadonlyMap<string, number> {
  const total = spaces.reduce((sum, { frames }) => sum + frames, 0)
  return new Map(
    spaces.map(({ space, frames, given }) => [space, given + (total === 0 ? 0 : Math.min(frames, Math.ceil((missing * frames) / total)))]),
  )
}

export interface Victim {
  /** When it was last asked for: a count that only grows. */
  readonly usedAt: number
}

/** So many of the candidates, or all. */
export function chooseVictims<Page extends Victim>(candidates: readonly Page[], count: number, random: Random): readonly Page[] {
  const left = [...candidates]
  const chosen: Page[] = []
  while (chosen.length < count && left.length > 0) {
    let best = random.below(left.length)
    for (let draw = 1; draw < SAMPLE; draw++) {
      const other = random.below(left.length)
      if ((left[other] as Page).usedAt < (left[best] as Page).usedAt) best = other
    }
    chosen.push(left[best] as Page)
    left[best] = left[left.length - 1] as Page
    left.pop()
  }
  return chosen
}

/** Nodes on which the placement lets a page have its frame, the wanted one first. */
export function allowedNodes(placement: Placement, { page, toucher }: NewPage, nodes: number): readonly number[] {
  const all = Array.from({ length: nodes }, (_, node) => node)
  const from = (list: readonly number[], first: number): readonly number[] =>
    list.map((_, step) => list[(first + step) % list.length] as number)
  switch (placement.kind) {
    case "local":
      return [placement.node]
    case "bind":
      return from(placement.nodes, page % placement.nodes.length)
    case "interleave":
      return from(all, page % nodes)
    case "first-touch":
      return from(all, toucher)
  }
}
