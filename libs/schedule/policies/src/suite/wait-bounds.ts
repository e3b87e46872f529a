/**
 * How long a task may wait under each policy, in ticks: what "nobody starves" means, in numbers.
 *
 * n tasks, slice S, weights w, W their sum. Each bound holds for all tasks of a workload together, whoever sleeps, wakes, comes or is
 * stolen. `null`: the policy promises nothing there; the essay says why. Fair shares by weight are promised on one CPU only: on several,
 * a task may be due more than one CPU can give, or may be kept from the CPUs that are free (Chandra and others, "Surplus Fair
 * Scheduling", OSDI 2000).
 */
import { BOOST_SLICES, MLFQ_LEVELS } from "../mlfq/mlfq.ts"
import { LATENCY_SLICES, LATENCY_TASKS_MAX } from "../cfs/cfs.ts"
import { levelOfWeight, levelSliceTicks } from "../o1/levels.ts"
import { WARM_PASSES_MAX } from "../mqms-warm/mqms-warm.ts"
import { NUMA_PASSES_MAX } from "../numa/numa.ts"
import { PATIENT_PASSES_MAX } from "../patient/patient.ts"
import { AFFINITY_PASSES_MAX } from "../sqms-affinity/sqms-affinity.ts"
import type { WaitBound } from "./safety-laws.ts"
import type { Workload } from "./workload.ts"

/**
 * A refused pick costs every pick a tick at worst. On several CPUs a refused task is put before others that could not run where it was
 * refused: then no bound in turns holds.
 */
function withRefusals(bound: WaitBound): WaitBound {
  return (workload, task) => {
    const ticks = bound(workload, task)
    if (ticks === null || workload.refuseEvery === 0) return ticks
    return workload.cpus > 1 ? null : 2 * ticks
  }
}

function onOneCpu(bound: WaitBound): WaitBound {
  return (workload, task) => (workload.cpus === 1 ? bound(workload, task) : null)
}

function sum(workload: Workload, of: (task: Workload["tasks"][number]) => number): number {
  return workload.tasks.reduce((total, task) => total + of(task), 0)
}

function dueTicks(workload: Workload, task: number): number {
  return (workload.sliceTicks * sum(workload, ({ weight }) => weight)) / (workload.tasks[task]?.weight ?? 1)
}

/** Everybody else once. */
const inTurn: WaitBound = ({ tasks, sliceTicks }) => tasks.length * sliceTicks

const cfsBound: WaitBound = onOneCpu((workload, task) => {
  const periodTicks = LATENCY_SLICES * workload.sliceTicks * Math.max(1, workload.tasks.length / LATENCY_TASKS_MAX)
  const aheadTicks = (2 * periodTicks * 100) / (workload.tasks[task]?.weight ?? 1) + periodTicks / 2
  return sum(workload, ({ weight }) => (aheadTicks * weight) / 100 + periodTicks)
})

const BOUNDS: Readonly<Record<string, WaitBound>> = {
  fifo: (workload) => sum(workload, ({ bursts }) => Math.max(...bursts.map(({ runTicks }) => runTicks))),
  rr: inTurn,
  sqms: inTurn,
  mqms: inTurn,
  "mqms-steal": inTurn,
  // Two slices for each that goes before, and passed over so often by those that have run less.
  "mqms-warm": (workload, task) => 2 * (WARM_PASSES_MAX + 1) * (inTurn(workload, task) ?? 0),
  o1: (workload) => 3 * sum(workload, ({ weight }) => levelSliceTicks(levelOfWeight(weight), workload.sliceTicks)),
  smt: inTurn,
  eas: inTurn,
  // The oldest is passed over so often before it is next, and so is each that is older when it comes.
  "sqms-affinity": ({ tasks, sliceTicks }) => tasks.length * (AFFINITY_PASSES_MAX + 1) * sliceTicks,
  // Passed over so often, by those that suit the CPU; and half a slice of its own patience each time.
  patient: ({ tasks, sliceTicks }) => tasks.length * (PATIENT_PASSES_MAX + 2) * sliceTicks,
  numa: ({ tasks, sliceTicks }) => tasks.length * (NUMA_PASSES_MAX + 1) * sliceTicks,
  mlfq: ({ tasks, sliceTicks }) => (BOOST_SLICES + (1 << MLFQ_LEVELS) + tasks.length) * sliceTicks,
  bfs: ({ tasks, sliceTicks }, task) => Math.ceil((100 * sliceTicks) / (tasks[task]?.weight ?? 1)) + (tasks.length + 1) * sliceTicks,
  cfs: cfsBound,
  "cfs-domains": cfsBound,
  eevdf: onOneCpu((workload, task) => 4 * dueTicks(workload, task) + 4 * workload.tasks.length * workload.sliceTicks),
  stride: onOneCpu((workload, task) => 3 * dueTicks(workload, task) + 3 * workload.tasks.length * workload.sliceTicks),
  credit: onOneCpu((workload, task) => 4 * dueTicks(workload, task) + 4 * workload.tasks.length * workload.sliceTicks),
}

/** The bound of a policy; without one, nothing is promised. */
export function waitBoundOf(policy: string): WaitBound {
  const bound = BOUNDS[policy]
  return bound === undefined ? () => null : withRefusals(bound)
}
