/**
 * What goes wrong with a simulated store, drawn from a seed: the world's own faults, and those of disks and clocks.
 *
 * Each class is there or not by a coin (swarm testing). All damage of disks happens to one replica, the victim: what is promised holds for a
 * minority. `amnesia` (a sync that lies, an old backup) is damage that no log can tell; it takes linear registers out of the run.
 */
import type { Random } from "@backplane/foundation-base/random"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { CycleRange, FaultPlan } from "@backplane/foundation-simulation/fault-plan"

export const FAULT_CLASSES = [
  "loss",
  "duplication",
  "delay",
  "reordering",
  "clog",
  "partition",
  "crash",
  "pause",
  "power",
  "clock",
  "flip",
  "misdirect",
  "full",
  "slow",
  "lie",
  "backup",
  "move",
  "told",
  "zone",
  "bus",
  "mixed",
] as const
export type FaultClass = (typeof FAULT_CLASSES)[number]

/** Classes of which a minute has dozens of faults. */
const FREQUENT: readonly FaultClass[] = ["loss", "duplication", "delay", "reordering", "partition", "crash", "slow"]

const MS = 1000
const SECOND = 1_000_000
const range = (min: number, max: number): CycleRange => ({ min, max })

export interface KvFaults {
  readonly classes: ReadonlySet<FaultClass>
  readonly plan: FaultPlan
  readonly victim: ActorId
  /** Cycles from a write to its sync. */
  readonly syncCycles: number
  /** How each replica's clock is wrong, and when that changes. */
  readonly clocks: ReadonlyMap<ActorId, readonly ClockFault[]>
}

/** From then on the clock is `offset` microseconds ahead, and goes by `drift` a microsecond too fast. */
export interface ClockFault {
  readonly from: number
  readonly offset: number
  readonly drift: number
}

const RIGHT: readonly ClockFault[] = [{ from: 0, offset: 0, drift: 0 }]
/** Half a per cent: a minute's run is a third of a second off by it. */
const DRIFT_MAX = 0.005
const SELDOM: Partial<Record<FaultClass, number>> = {
  lie: 0.12,
  backup: 0.12,
  zone: 0.25,
  bus: 0.25,
  mixed: 0.25,
}
const CHANCE = 0.45

export function drawClasses(random: Random): ReadonlySet<FaultClass> {
  const drawn = FAULT_CLASSES.filter((name) => random.chance(SELDOM[name] ?? CHANCE))
  // A run of rare faults alone would have only a handful.
  return new Set(drawn.some((name) => FREQUENT.includes(name)) ? drawn : [...drawn, random.pick(FREQUENT)])
}

export function drawKvFaults(
  random: Random,
  options: {
    readonly classes: ReadonlySet<FaultClass>
    readonly until: number
    readonly replicas: readonly ActorId[]
    readonly spared: readonly ActorId[]
    /** How many times faster than usual everything goes wrong. */
    readonly pace: number
  },
): KvFaults {
  const { classes, until, replicas, spared, pace } = options
  const has = (name: FaultClass): boolean => classes.has(name)
  const paced = (min: number, max: number): CycleRange => range(Math.ceil(min / pace), Math.ceil(max / pace))
  const share = (most: number): number => random.unit() * most
  const plan: FaultPlan = {
    until: virtualTime(until),
    spared,
    ...(has("loss") ? { loss: share(0.15) } : {}),
    ...(has("duplication") ? { duplication: share(0.15) } : {}),
    ...(has("delay") ? { delay: range(MS, random.between(2 * MS, 40 * MS)) } : {}),
    ...(has("reordering") ? { delay: range(MS, random.between(5 * MS, 40 * MS)), reordering: share(0.5) } : {}),
    ...(has("clog") ? { clog: { chance: share(0.005), lasting: range(50 * MS, SECOND) } } : {}),
    ...(has("partition")
      ? { partition: { every: paced(SECOND, 5 * SECOND), lasting: paced(200 * MS, 3 * SECOND), oneWay: 0.3, partial: 0.3 } }
      : {}),
    ...(has("crash") ? { crash: { every: paced(SECOND, 5 * SECOND), down: paced(50 * MS, 3 * SECOND), loseUnsynced: 1, downMax: 1 } } : {}),
    ...(has("pause") ? { pause: { every: paced(SECOND, 5 * SECOND), lasting: paced(50 * MS, 2500 * MS) } } : {}),
  }
  const clocks = new Map(replicas.map((id) => [id, has("clock") ? drawClock(random.fork(`clock/${id}`), until) : RIGHT]))
  const syncCycles = has("slow") ? Math.ceil(random.between(10 * MS, 300 * MS) / pace) : 4 * MS
  return { classes, plan, victim: random.pick(replicas), syncCycles, clocks }
}

/** Jumps of up to ten seconds, forward and back, and between them too fast or too slow. */
function drawClock(random: Random, until: number): readonly ClockFault[] {
  const fault = (from: number): ClockFault => ({
    from,
    offset: random.between(0, 10 * SECOND),
    drift: (2 * random.unit() - 1) * DRIFT_MAX,
  })
  const changes = [fault(0)]
  for (let from = random.between(0, until / 2); from < until; from += random.between(SECOND, until / 2)) changes.push(fault(from))
  return changes
}

/** By how much the clock is wrong at `now`. */
export function clockError(faults: readonly ClockFault[], now: number): number {
  const fault = faults.findLast(({ from }) => from <= now)
  return fault === undefined ? 0 : Math.round(fault.offset + (now - fault.from) * fault.drift)
}
