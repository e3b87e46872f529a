/** Laws about shares as functions, so that broken variants of a policy can be put to them too. Each returns what is broken, or nothing. */
import type { Random } from "@backplane/foundation-base/random"
import type { QueuePolicyKind } from "../queue-policy.ts"
import { drawShares } from "./drawn-shares.ts"
import { shareAmong, shareAmongHogs } from "./shares.ts"
import { waitBoundOf } from "./wait-bounds.ts"
import { hogs, plainWorkload, type TaskPlan } from "./workload.ts"

/** −1 slice < lag < +1 slice at every tick, against a fluid CPU, while nobody comes or goes. */
export function lagBeyondSlice(kind: QueuePolicyKind, random: Random, ticks: number): string | null {
  const { weights, sliceTicks } = drawShares(random)
  const { fluid } = shareAmongHogs(kind, weights, { ticks, sliceTicks })
  const isWithin = fluid.lagLeast > -sliceTicks && fluid.lagMost < sliceTicks
  return isWithin ? null : `lag from ${fluid.lagLeast} to ${fluid.lagMost} with a slice of ${sliceTicks} and weights ${weights.join(":")}`
}

/** A light task that sleeps for a tick after each slice gets no more than what is due to it while it is there. */
export function gainByComingAndGoing(kind: QueuePolicyKind, random: Random, ticks: number): string | null {
  const sliceTicks = random.between(2, 12)
  const bursts = Array.from({ length: ticks }, () => ({ runTicks: sliceTicks, sleepTicks: 1 }))
  const guest: TaskPlan = { name: "guest", weight: random.between(10, 100), arrivalTick: 0, affinity: [], bursts }
  const others = hogs(
    Array.from({ length: random.between(2, 5) }, () => random.between(100, 300)),
    ticks,
  )
  const { result, fluid } = shareAmong(kind, [...others, guest], { ticks, sliceTicks })
  const fate = result.fates.at(-1)
  if (fate === undefined) return "the guest is not there"
  const due = fluid.dueTicks(fate)
  return fate.ranTicks <= due + 3 * sliceTicks ? null : `it ran ${fate.ranTicks} ticks where ${due} were due, with a slice of ${sliceTicks}`
}

/** A thief that stops a tick before its slice ends gets its share and a slice overdrawn at most. */
export function gainOfThief(kind: QueuePolicyKind, random: Random, ticks: number): string | null {
  const sliceTicks = random.between(2, 12)
  const weight = random.pick([50, 100, 200])
  const others = hogs(
    Array.from({ length: random.between(1, 5) }, () => weight),
    ticks,
  )
  const bursts = Array.from({ length: ticks }, () => ({ runTicks: sliceTicks - 1, sleepTicks: random.below(3) }))
  const { ran } = shareAmong(kind, [...others, { name: "thief", weight: 100, arrivalTick: 0, affinity: [], bursts }], { ticks, sliceTicks })
  const share = (100 / (100 + weight * others.length)) * ticks
  const got = ran.at(-1) ?? 0
  return got <= share + sliceTicks ? null : `the thief ran ${got} ticks where its share is ${share}, with a slice of ${sliceTicks}`
}

/** A task that comes late, and one that slept long, get their share from then on and hardly more: nothing is saved up by being away. */
export function gainByAbsence(kind: QueuePolicyKind, random: Random, ticks: number): string | null {
  const sliceTicks = random.between(1, 12)
  const half = Math.floor(ticks / 2)
  const others = hogs(
    Array.from({ length: random.between(1, 4) }, () => 100),
    ticks,
  )
  const hog: TaskPlan = { name: "absent", weight: 100, arrivalTick: half, affinity: [], bursts: [{ runTicks: ticks, sleepTicks: 0 }] }
  const sleeper: TaskPlan = { ...hog, arrivalTick: 0, bursts: [{ runTicks: 1, sleepTicks: half }, ...hog.bursts] }
  for (const absent of [hog, sleeper]) {
    const { result, fluid } = shareAmong(kind, [...others, absent], { ticks, sliceTicks })
    const fate = result.fates.at(-1)
    const excess = fate === undefined ? Infinity : fate.ranTicks - fluid.dueTicks(fate)
    if (excess > 4 * sliceTicks) return `after ${half} ticks away it ran ${excess} ticks more than were due, with a slice of ${sliceTicks}`
  }
  return null
}

/** Tasks that only run, on one CPU: none waits longer than the policy's bound. */
export function starvation(kind: QueuePolicyKind, random: Random, ticks: number): string | null {
  const { weights, sliceTicks } = drawShares(random)
  const near = weights.map((weight) => 50 + (weight % 150))
  const { result } = shareAmongHogs(kind, near, { ticks, sliceTicks })
  const workload = plainWorkload(hogs(near, ticks), { sliceTicks })
  for (const [index, fate] of result.fates.entries()) {
    const bound = waitBoundOf(kind.name)(workload, index)
    if (bound !== null && fate.waitMostTicks > bound)
      return `weight ${near[index] ?? 0} waits ${fate.waitMostTicks} ticks, at most ${bound} are allowed`
  }
  return null
}
