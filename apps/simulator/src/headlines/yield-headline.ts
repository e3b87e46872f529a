/**
 * Giving way to the holder of a lock: a VM whose vCPUs pass a ticket lock round, beside hogs. Whose ticket is not up looks for it without
 * sleeping: for its whole slice; or for a tick, and then it gives way to whoever is next; or to the one that holds what it waits for, by name.
 *
 * The names are the hint `to` of TASK_YIELD. Friebel and Biemueller, "How to Deal with Lock Holder Preemption", Xen Summit 2008, has the
 * trouble; KVM (`kvm_vcpu_on_spin`) and Linux (`yield_to`) the remedy.
 */
import { Random } from "@backplane/foundation-base/random"
import { barChartSvg } from "@backplane/scenario-picture/chart-svg"
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec, type MachineInput } from "@backplane/scenario-machine/resolve"
import { mean } from "@backplane/schedule-measure/percentiles"
import { measuredRun } from "../scoreboard/measured-run.ts"
import type { Headline, HeadlineOptions, HeadlineResult } from "./headline.ts"

export type Waiting = "spins" | "gives way" | "to the holder"

const WAITINGS: readonly Waiting[] = ["spins", "gives way", "to the holder"]
const HEEDING: readonly PolicyName[] = ["credit", "cfs"]
const VCPUS = 4
const ROUNDS = 40
const SLICE_TICKS = 20
/** By so much sooner than with a nameless yield the VM is done, at least. */
const FACTOR_LEAST = 1.2

/** `cpus` 1: where every queue is one queue, and the holder always waits in it. */
function lockVm(policy: PolicyName, waiting: Waiting, set: number): MachineInput {
  const random = new Random(set).fork("directed yield")
  const name = (index: number): string => `vm-${(index + VCPUS) % VCPUS}`
  const work = random.between(1, 3)
  const vcpu = (index: number): NonNullable<MachineInput["jobs"]>[number] => {
    // Its own name is nobody's who waits: it only gives way.
    const to = waiting === "spins" ? {} : { to: name(waiting === "gives way" ? index : index - 1) }
    const takes = { run: 1, await: `turn-${index}`, spin: true as const, ...to }
    const gives = { run: work, signal: `turn-${(index + 1) % VCPUS}` }
    return {
      name: name(index),
      run: ROUNDS * (1 + work),
      workingSet: 0,
      space: "vm",
      phases: index === 0 ? [gives, takes] : [takes, gives],
    }
  }
  const hogs = Array.from({ length: random.between(3, 6) }, (_, index) => ({ name: `hog-${index}`, run: 3000, workingSet: 0 }))
  return {
    topology: { cpus: 1 },
    cache: { warmRate: 1 },
    schedule: { policy, sliceTicks: SLICE_TICKS },
    jobs: random.shuffled([...Array.from({ length: VCPUS }, (_, index) => vcpu(index)), ...hogs]),
  }
}

/** Ticks until the last vCPU was done, and what the hogs had of the CPU by then, of what is due to them. */
function lockVmRun(policy: PolicyName, waiting: Waiting, set: number): { readonly ticks: number; readonly hogsShare: number } {
  const spec = resolveMachineSpec(lockVm(policy, waiting, set))
  const { result } = measuredRun(spec)
  const ticks = Math.max(...spec.jobs.filter(({ space }) => space === "vm").map(({ name }) => result.jobs[name] ?? Infinity))
  const hogs = new Set(spec.jobs.filter(({ space }) => space !== "vm").map(({ name }) => name))
  const ran = (result.schedule[0] ?? []).reduce(
    (sum, [from, to, job]) => sum + (job !== null && hogs.has(job) ? Math.max(0, Math.min(to, ticks) - from) : 0),
    0,
  )
  return { ticks, hogsShare: ran / ((ticks * hogs.size) / spec.jobs.length) }
}

export const directedYieldHeadline: Headline = {
  name: "directed-yield",
  claim: "a VM whose vCPUs spin for a lock ends sooner where they give way to its holder by name, and the others keep their share",
  run: ({ sets }: HeadlineOptions): HeadlineResult => {
    const rows = HEEDING.flatMap((policy) =>
      WAITINGS.map((waiting) => {
        const runs = Array.from({ length: sets }, (_, set) => lockVmRun(policy, waiting, set))
        return { policy, waiting, ticks: mean(runs.map(({ ticks }) => ticks)), hogs: mean(runs.map(({ hogsShare }) => hogsShare)) }
      }),
    )
    const ticksOf = (policy: string, waiting: Waiting): number =>
      rows.find((row) => row.policy === policy && row.waiting === waiting)?.ticks ?? NaN
    const factors = HEEDING.map((policy) => ticksOf(policy, "gives way") / ticksOf(policy, "to the holder"))
    const fair = rows.every(({ waiting, hogs }) => waiting !== "to the holder" || hogs >= 0.9)
    return {
      columns: ["policy", "who waits for the lock", `VM done at tick (mean of ${sets} sets)`, "hogs' share, of what is due"],
      rows: rows.map(({ policy, waiting, ticks, hogs }) => [policy, waiting, ticks, `${(100 * hogs).toFixed(0)} %`]),
      holds: fair && factors.every((factor) => factor >= FACTOR_LEAST),
      verdict: HEEDING.map((policy, index) => `${policy}: ${factors[index]?.toFixed(2)} times as soon as with a nameless yield`).join("; "),
      svg: barChartSvg({
        title: "Giving way to the holder of a lock",
        yLabel: "ticks until the last vCPU is done, beside hogs",
        bars: rows.map(({ policy, waiting, ticks }) => ({
          label: `${policy}: ${waiting}`,
          value: ticks,
          isGood: waiting === "to the holder",
        })),
      }),
    }
  },
}
