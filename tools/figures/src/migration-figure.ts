/** A vCPU moves to another node: its pages stay, are followed up by counters, or go along. */
import { decideMoves, PLACEMENT_RULES } from "@backplane/memory-placement/decide-moves"
import { FOLLOW_RULES, followMoves } from "@backplane/memory-placement/follow"
import type { Interval } from "@backplane/compute-timed/timed-machine"
import type { TimedEngine } from "@backplane/compute-engine/timed-engine"
import type { TimingInput, TimingSpec } from "@backplane/scenario-machine/timing-spec"
import { percentOf, round, type FigureSize, type VirtualFigure } from "./figure.ts"
import { localShare, measure, slowest, type Measured } from "./multiprocessor.ts"
import { carryOutMoves, usesOf, type MovedPages, type PolicyRecord } from "./page-policy.ts"

export type FollowPolicy = "stay" | "counters" | "follow"

const POLICIES: readonly FollowPolicy[] = ["stay", "counters", "follow"]
const NAMES: Readonly<Record<FollowPolicy, string>> = { stay: "pages stay", counters: "counters only", follow: "pages go along" }
/** Two nodes with a CPU each; caches small as the data is, so that a run takes seconds. */
const MACHINE: TimingInput = { preset: "disco1997", firstLevel: { bytes: 4096 }, secondLevel: { bytes: 16_384 }, placement: "first-touch" }
const CPUS = 2
const OWN_BYTES = 65_536
const INTERVAL_CYCLES = 100_000
const FIRST_MOVE = 2
/** Misses in an interval from which counters find a page hot. */
const HOT_MISSES = 12

/** After how many intervals the vCPUs change places again; 0: they do so once. */
const OFTEN: readonly { readonly every: number; readonly name: string }[] = [
  { every: 0, name: "once" },
  { every: 8, name: "every 800,000 cycles" },
  { every: 2, name: "every 200,000 cycles" },
  { every: 1, name: "every 100,000 cycles" },
]

interface Moving {
  readonly policy: FollowPolicy
  readonly every: number
  /** How often, at most. */
  readonly movesMax: number
  readonly record: PolicyRecord & { vcpuMoves: number }
}

/** At some intervals the two vCPUs change places, each with all that it has in registers. */
function moving(spec: TimingSpec, engine: TimedEngine, { policy, every, movesMax, record }: Moving): Interval {
  const moved: MovedPages = new Map()
  const parts = { events: spec.events, cpus: CPUS, record, moved }
  const rules = { ...PLACEMENT_RULES, hotMisses: HOT_MISSES, replicateMisses: HOT_MISSES }
  const each: Interval["each"] = (timing, interval) => {
    const isTime = every === 0 ? interval === FIRST_MOVE : interval >= FIRST_MOVE && (interval - FIRST_MOVE) % every === 0
    const changes = isTime && record.vcpuMoves < movesMax
    const uses = usesOf(timing, moved)
    if (changes) {
      const [one, other] = [engine.captureCpu(0), engine.captureCpu(1)]
      engine.restoreCpu(0, other)
      engine.restoreCpu(1, one)
      record.vcpuMoves += 1
      for (let cpu = 0; cpu < CPUS; cpu++) timing.charge(cpu, spec.events.machineSwitch)
    }
    const ways = [
      { from: 0, to: 1 },
      { from: 1, to: 0 },
    ]
    if (policy === "follow" && changes)
      carryOutMoves(timing, ways.flatMap((way) => followMoves(uses, way, { rules: FOLLOW_RULES })), { ...parts, interval }) // prettier-ignore
    else if (policy !== "stay") carryOutMoves(timing, decideMoves(uses, rules, { interval }), { ...parts, interval })
    timing.clearPageMisses()
  }
  return { cycles: INTERVAL_CYCLES, each }
}

/** An even number where they go to and fro: else they would spend the rest of the run where they do not belong. */
function movesIn(every: number, intervals: number): number {
  return every === 0 ? 1 : 2 * Math.max(1, Math.floor(((intervals - FIRST_MOVE) / every + 1) / 2))
}

export function vcpuMigration(size: FigureSize): VirtualFigure {
  const accesses = size === "full" ? 24_000 : 8000
  const intervals = size === "full" ? 40 : 14
  const run = (policy: FollowPolicy, every: number): Measured & { readonly record: Moving["record"] } => {
    const record = { migrated: 0, replicated: 0, collapsed: 0, vcpuMoves: 0 }
    const measured = measure({
      workload: "numa",
      cpus: CPUS,
      nodes: CPUS,
      parameters: [4096, OWN_BYTES, accesses, 0, 60, 0],
      timing: MACHINE,
      memoryBytes: 2 * 2 ** 20,
      interval: (spec, engine) => moving(spec, engine, { policy, every, movesMax: movesIn(every, intervals), record }),
    })
    return { ...measured, record }
  }
  const rows = OFTEN.map(({ every, name }) => ({ every, name, runs: POLICIES.map((policy) => ({ policy, ...run(policy, every) })) }))
  const perAccess = (measured: Measured): number => round(slowest(measured) / accesses)
  return {
    name: "vcpu-migration",
    title: "Two vCPUs change nodes, each with 16 pages of its own (disco1997, 300/900 ns): cycles per access",
    columns: [
      "they move",
      ...POLICIES.map((policy) => NAMES[policy]),
      "local: stay",
      "counters",
      "along",
      "pages moved by counters",
      "along",
    ],
    rows: rows.map(({ name, runs }) => [
      name,
      ...runs.map(perAccess),
      ...runs.map((each) => percentOf(localShare(each))),
      ...runs.flatMap(({ policy, record }) => (policy === "stay" ? [] : [record.migrated])),
    ]),
    notes: [
      "Along: what the vCPU's old node missed on most moves with it, the hottest first; counters look every 100,000 cycles in both cases. Copies, shootdowns and switches are in.",
      "Whether pages should go along depends on how long the vCPU stays: one that soon comes back finds its pages where it left them.",
    ],
    chart: {
      title: "A vCPU moves to another node",
      hint: "cycles per access, shorter is better",
      groups: rows.map(({ name, runs }) => ({
        name: `they move ${name}`,
        bars: runs.map((each) => ({
          name: NAMES[each.policy],
          value: perAccess(each),
          words: String(perAccess(each)),
          whose: "ours" as const,
        })),
      })),
    },
    values: Object.fromEntries(
      rows.flatMap(({ every, runs }) =>
        runs.flatMap((each) => [
          [`${each.policy}_${every}_cycles`, perAccess(each)],
          [`${each.policy}_${every}_local`, round(localShare(each), 4)],
          [`${each.policy}_${every}_moved`, each.record.migrated],
          [`${each.policy}_${every}_moves`, each.record.vcpuMoves],
        ]),
      ),
    ),
  }
}
