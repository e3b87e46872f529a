/**
 * The dashboards against a stack that runs: does its `/metrics` have every series that a panel asks for, has its collector seen every span
 * that a query names, and has every latency panel an exemplar that leads to a trace?
 *
 * What appears only in trouble (RARE) is not missing in a sound run; it is told apart, so that nobody takes silence for a finding.
 */
import { seriesAsked, spansAsked } from "./dashboard-checks.ts"
import type { DashboardModel } from "./dashboard-model.ts"

export interface LiveRun {
  /** `/metrics` in the OpenMetrics format, which has the exemplars. */
  readonly openMetrics: string
  /** Has the collector a span of this name? A name that ends with ` {word}` stands for all of its kind. */
  readonly hasSpan: (name: string) => boolean
}

export interface LiveFindings {
  readonly missing: readonly string[]
  /** Series and spans that a sound run does not have, with what brings them. */
  readonly rare: readonly string[]
}

/** Series and spans → what must happen before there is one. */
const RARE: ReadonlyMap<string, string> = new Map([
  ["backplane_actor_restarts_total", "a service was killed"],
  ["backplane_collector_dropped_total", "the collector had more than it keeps"],
  ["backplane_cpu_watts", "the machine has a table of power"],
  ["backplane_kv_certificate_age_seconds", "replicas proved a partition equal"],
  ["backplane_kv_keys_moved_total", "a shard was added or removed"],
  ["backplane_messages_dropped_total", "a queue was full"],
  ["backplane_messages_rejected_total", "somebody said what no actor takes"],
  ["backplane_policy_swaps_total", "a scheduler was swapped"],
  ["backplane_scheduler_bypasses_total", "a scheduler answered late"],
  ["backplane_spans_dropped_total", "a service made more spans than it could send"],
  ["backplane_vm_frames_saved", "equal pages of VMs lay together"],
  ["backplane_vm_pages_unshared_total", "equal pages of VMs lay together"],
  ["backplane_vm_pages_swapped", "equal pages of VMs lay together, or some were swapped"],
  ["backplane_vm_swap_ins_total", "equal pages of VMs lay together, or some were swapped"],
  ["backplane_unregistered_names_total", "code used a name that is not in the registry"],
  ["backplane_verdicts_refused_total", "a scheduler decided what cannot be"],
  ["actor.restart", "a service was killed"],
  ["task.restart", "a task was lost with its node"],
  ["sched.swap", "a scheduler was swapped"],
  ["mem.GetS", "a guest spans nodes"],
  ["mem.migrate", "a page of shared memory was moved"],
  ["mem.GetM", "a guest spans nodes"],
  ["vm.move", "a VM was moved"],
  ["vm.pre-copy", "a VM with more than half a megabyte in use was moved"],
  ["vm.stop", "a VM was moved"],
  ["vm.copy", "a VM was moved"],
])

/** What must happen before there is such a series or span; undefined where a sound run has it. */
export function rarity(name: string): string | undefined {
  return RARE.get(name)
}

/** Histograms whose values no message caused: a slice ends by the clock, so there is no trace to lead to. */
const CAUSELESS: ReadonlySet<string> = new Set(["backplane_slice_ticks_bucket"])

export function liveFindings(dashboards: ReadonlyMap<string, DashboardModel>, run: LiveRun): LiveFindings {
  const series = new Set([...run.openMetrics.matchAll(/^([a-zA-Z_:][\w:]*)[{ ]/gm)].map(([, name]) => name ?? ""))
  const missing: string[] = []
  const rare: string[] = []
  const miss = (board: string, kind: string, name: string): void => {
    const when = RARE.get(name)
    if (when === undefined) missing.push(`${board}: ${kind} ${name}: nothing in this run made one`)
    else rare.push(`${board}: ${kind} ${name}: appears when ${when}`)
  }
  for (const [board, dashboard] of dashboards) {
    for (const name of seriesAsked(dashboard)) {
      if (!series.has(name)) miss(board, "series", name)
      else if (name.endsWith("_bucket") && !CAUSELESS.has(name) && !hasExemplar(run.openMetrics, name))
        missing.push(`${board}: series ${name} has no exemplar`)
    }
    for (const name of spansAsked(dashboard)) if (!run.hasSpan(name)) miss(board, "span", name)
  }
  return { missing: [...new Set(missing)], rare: [...new Set(rare)] }
}

function hasExemplar(openMetrics: string, series: string): boolean {
  return new RegExp(`^${series}\\{[^}]*\\} \\S+ # \\{trace_id="[0-9a-f]{32}"`, "m").test(openMetrics)
}
