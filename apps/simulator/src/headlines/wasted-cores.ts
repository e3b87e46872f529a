/**
 * The four bugs of "The Linux Scheduler: a Decade of Wasted Cores" in a CFS with Linux's load balancer: each planted in the same machine and
 * load that shows it, found by the monitor (a CPU that idles beside work for longer than a decision takes), and mended.
 */
import { actorIndex, actorKind } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import type { MachineInput } from "@backplane/scenario-machine/resolve"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { idleBesideWork, type Stretch } from "@backplane/schedule-measure/idle-beside-work"
import type { WastedCoresBug } from "@backplane/schedule-policies/domains/domains"
import { SchedulerMachine } from "@backplane/schedule-scheduler/scheduler"
import { machineActor, type ActorMaker } from "../machine-actors.ts"
import { measuredRun } from "../scoreboard/measured-run.ts"

/** An idle CPU beside work for so long is a bug, not a decision: four slices. */
export const FLAGGED_TICKS = 40
const SLICE_TICKS = 10

export interface WastedRun {
  readonly makespan: number
  /** Of all CPU time: idle beside work. */
  readonly wastedShare: number
  readonly flagged: number
  readonly longest: Stretch | null
}

export interface WastedCase {
  readonly bug: WastedCoresBug
  /** What is run. */
  readonly load: string
  readonly machine: MachineInput
}

type Job = NonNullable<MachineInput["jobs"]>[number]

const hog = (name: string, run: number, more: Partial<Job> = {}): Job => ({ name, run, workingSet: 0, ...more })
/** Jobs are dealt to CPUs in turn: a round for each CPU's first, second, … task. */
const dealt = (cpus: number, each: (cpu: number, round: number) => Job, roundsOf: number): Job[] =>
  Array.from({ length: cpus * roundsOf }, (_, index) => each(index % cpus, Math.floor(index / cpus)))

const BURSTS = 16
/** One long sleep, then short ones between bursts. */
const NAPS: NonNullable<Job["phases"]> = [{ run: 1, sleep: 60 }, ...Array.from({ length: BURSTS }, () => ({ run: 12, sleep: 3 }))]

export const WASTED_CASES: readonly WastedCase[] = [
  {
    bug: "group-imbalance",
    load: "one heavy task alone on node 0, twelve light ones on node 1",
    machine: {
      topology: { nodes: 2, cpus: 8 },
      jobs: dealt(
        8,
        (cpu, round) =>
          cpu >= 4
            ? hog(`light-${cpu}-${round}`, 200)
            : cpu === 0 && round === 0
              ? hog("heavy", 500, { weight: 2000 })
              : hog(`short-${cpu}-${round}`, 1),
        3,
      ),
    },
  },
  {
    bug: "group-construction",
    load: "twelve tasks kept to nodes 1 and 3 of a ring of four, all begun on node 1",
    machine: {
      topology: { nodes: 4, cpus: 8 },
      // Those kept to the other nodes take their places in the dealing and are soon done.
      jobs: dealt(
        8,
        (cpu, round) =>
          cpu === 2 || cpu === 3
            ? hog(`pinned-${cpu}-${round}`, 150, { affinity: [2, 3, 6, 7] })
            : hog(`short-${cpu}-${round}`, 1, { affinity: [cpu] }),
        6,
      ),
    },
  },
  {
    bug: "overload-on-wakeup",
    load: "twelve tasks that sleep and wake on node 0, while the CPUs of node 1 have looked for work in vain",
    machine: {
      topology: { nodes: 2, cpus: 8 },
      // Node 1 is done at tick 30, when all of node 0 sleep; it would look again after a slice of 400 ticks.
      schedule: { peekTicks: 400, sliceTicks: 400 },
      jobs: dealt(
        8,
        (cpu, round) => (cpu < 4 ? hog(`sleeper-${cpu}-${round}`, 1 + 12 * BURSTS, { phases: NAPS }) : hog(`short-${cpu}-${round}`, 10)),
        3,
      ),
    },
  },
  {
    bug: "missing-domains",
    load: "twelve tasks on node 1, none on node 0",
    machine: {
      topology: { nodes: 2, cpus: 8 },
      jobs: dealt(8, (cpu, round) => (cpu >= 4 ? hog(`task-${cpu}-${round}`, 200) : hog(`short-${cpu}-${round}`, 1)), 3),
    },
  },
]

/** Runs the case with its bug, or mended. */
export function wastedRun({ machine }: WastedCase, planted: WastedCoresBug | null): WastedRun {
  const spec = resolveMachineSpec({
    ...machine,
    cache: { size: 100, warmupTicks: 0, warmRate: 1 },
    schedule: { sliceTicks: SLICE_TICKS, peekTicks: SLICE_TICKS, ...machine.schedule, policy: "cfs-domains" },
  })
  const make: ActorMaker = (whole, id, incarnation) =>
    planted !== null && actorKind(id) === "scheduler"
      ? (new SchedulerMachine({ spec: whole, queue: actorIndex(id), generation: incarnation, planted }) as Machine)
      : machineActor(whole, id, incarnation)
  const { record, metrics } = measuredRun(spec, make)
  const { share, flagged } = idleBesideWork(record, { boundTicks: FLAGGED_TICKS })
  return { makespan: metrics.makespanTicks, wastedShare: share, flagged: flagged.length, longest: flagged[0] ?? null }
}
