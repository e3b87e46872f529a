/**
 * What goes wrong in a run, as data. Without a plan the world is exact: constant latency, nothing lost.
 *
 * All chance comes from the seed of the world. Faults end at `until`: then everything heals, and a run that makes no
 * progress from there on has a bug of its own (liveness), as one that breaks a checker before has (safety). The two
 * phases are those of TigerBeetle's simulator.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

/** Both included. */
export interface CycleRange {
  readonly min: number
  readonly max: number
}

export interface FaultPlan {
  /** No fault begins after this; what still lasts then is healed. */
  readonly until: VirtualTime
  /** Chance that a message is lost. */
  readonly loss?: number
  /** Chance that a message comes a second time. */
  readonly duplication?: number
  /** How long a message takes instead of the world's latency. Messages of one link stay in order all the same … */
  readonly delay?: CycleRange
  /** … but for this share of them, which may overtake. */
  readonly reordering?: number
  /** A link stops now and then and then delivers all at once: chance per message, and how long. */
  readonly clog?: { readonly chance: number; readonly lasting: CycleRange }
  /** Some share is cut off in one direction only (`oneWay`), or between two groups that a third still reaches (`partial`). */
  readonly partition?: { readonly every: CycleRange; readonly lasting: CycleRange; readonly oneWay?: number; readonly partial?: number }
  /** At most `downMax` (default 1) actors are down at once; `loseUnsynced` is the chance that unsynced writes suffer too. */
  readonly crash?: { readonly every: CycleRange; readonly down: CycleRange; readonly loseUnsynced?: number; readonly downMax?: number }
  /** An actor stands still and finds all its messages afterwards; at most one at a time. */
  readonly pause?: { readonly every: CycleRange; readonly lasting: CycleRange }
  /** Actors that are never crashed or paused: clients that stand for the outside world. */
  readonly spared?: readonly ActorId[]
}

/** Says what is wrong with a plan by the name of the field. */
export function checkFaultPlan(plan: FaultPlan): void {
  checkChance("loss", plan.loss)
  checkChance("duplication", plan.duplication)
  checkChance("reordering", plan.reordering)
  checkChance("clog.chance", plan.clog?.chance)
  checkChance("partition.oneWay", plan.partition?.oneWay)
  checkChance("partition.partial", plan.partition?.partial)
  checkChance("crash.loseUnsynced", plan.crash?.loseUnsynced)
  checkRange("delay", plan.delay)
  checkRange("clog.lasting", plan.clog?.lasting)
  for (const [name, fault] of [
    ["partition", plan.partition],
    ["pause", plan.pause],
  ] as const) {
    checkRange(`${name}.every`, fault?.every)
    checkRange(`${name}.lasting`, fault?.lasting)
  }
  checkRange("crash.every", plan.crash?.every)
  checkRange("crash.down", plan.crash?.down)
  const downMax = plan.crash?.downMax ?? 1
  assert(Number.isInteger(downMax) && downMax >= 1, "fault plan: crash.downMax is a whole number, at least 1")
}

/**
 * A plan drawn from a seed: each kind of fault is there or not by a fair coin, for faults that are always on hide the bugs
 * that need their absence (swarm testing: Groce and others, 2012). `latency` sets the scale of all durations.
 */
export function drawFaultPlan(
  random: Random,
  options: { readonly until: VirtualTime; readonly latency: number; readonly spared?: readonly ActorId[] },
): FaultPlan {
  const { until, latency, spared } = options
  const range = (min: number, max: number): CycleRange => ({ min: min * latency, max: random.between(min * latency, max * latency) })
  const share = (most: number): number => random.unit() * most
  const maybe = <T>(make: () => T): T | null => (random.chance(0.5) ? make() : null)
  const loss = maybe(() => ({ loss: share(0.2) }))
  const duplication = maybe(() => ({ duplication: share(0.2) }))
  const delay = maybe(() => ({ delay: range(1, 10) }))
  const reordering = maybe(() => ({ delay: range(1, 10), reordering: share(0.5) }))
  const clog = maybe(() => ({ clog: { chance: share(0.02), lasting: range(5, 50) } }))
  const partition = maybe(() => ({
    partition: { every: range(50, 200), lasting: range(10, 100), oneWay: share(0.5), partial: share(0.5) },
  }))
  const crash = maybe(() => ({ crash: { every: range(50, 200), down: range(5, 50), loseUnsynced: share(1) } }))
  const pause = maybe(() => ({ pause: { every: range(50, 200), lasting: range(5, 50) } }))
  return {
    until,
    ...loss,
    ...duplication,
    ...delay,
    ...reordering,
    ...clog,
    ...partition,
    ...crash,
    ...pause,
    ...(spared === undefined ? {} : { spared }),
  }
}

function checkChance(field: string, chance: number | undefined): void {
  assert(chance === undefined || (chance >= 0 && chance <= 1), `fault plan: ${field} is a chance between 0 and 1`)
}

function checkRange(field: string, range: CycleRange | undefined): void {
  if (range === undefined) return
  assert(Number.isSafeInteger(range.min) && range.min >= 1, `fault plan: ${field}.min is a whole number of cycles, at least 1`)
  assert(Number.isSafeInteger(range.max) && range.max >= range.min, `fault plan: ${field}.max is a whole number of cycles, at least min`)
}
