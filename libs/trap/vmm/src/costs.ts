/**
 * What an exit costs, in virtual cycles, by its cause. The prices are the scenario's cost table (scenario/machine, timing presets); which of
 * them an exit takes is said here. The engine's own time says nothing about hardware: this is what a ledger is read in.
 */
import { PRESETS } from "@backplane/scenario-machine/timing-presets"
import type { EventCosts, TimingPreset } from "@backplane/scenario-machine/timing-spec"

export type CostTable = EventCosts

export function costTable(preset: TimingPreset): CostTable {
  return PRESETS[preset].events
}

export const MODERN: CostTable = costTable("modern")

/** Of causes that are no trap of the guest's: what comes on top of the exit, by the names of the cost table. */
const WORK: Readonly<Record<string, readonly (keyof EventCosts)[]>> = {
  csr: ["emulate"],
  return: ["emulate"],
  satp: ["emulate"],
  pmp: ["emulate", "shadowFlush"],
  fence: ["emulate", "shadowFlush"],
  wait: ["emulate"],
  watch: ["emulate"],
  "table-write": ["emulate"],
  "tlb-write": ["emulate", "shadowFill"],
  "tlb-second-level": ["shadowFill"],
  "shadow-fetch": ["shadowFill"],
  "shadow-load": ["shadowFill"],
  "shadow-store": ["shadowFill"],
  "first-touch": ["pageFault"],
  unshare: ["pageFault", "shadowFill"],
  "remote-page": ["pageFault"],
  "io-load": ["device"],
  "io-store": ["device"],
  disk: ["device"],
}
const HYPERCALL = "hypercall-"

/** Cycles of one exit of this cause, from the guest's last instruction to its next. */
export function costOf(costs: CostTable, cause: string): number {
  if (cause === "sbi" || cause.startsWith(HYPERCALL)) return costs.hypercall
  // What has no work of the VMM's own is the guest's trap, handed on.
  const work = WORK[cause] ?? ["inject"]
  return work.reduce((sum, item) => sum + costs[item], costs.exit)
}

/** Served without the VMM: a trap of the machine costs what a trap does, a CSR is an instruction like others. */
export function costOfAssisted(costs: CostTable, cause: string): number {
  return isTrap(cause) ? costs.trap : 0
}

/** Is it a trap of the machine's, among what leaves an engine? */
export function isTrap(cause: string): boolean {
  return WORK[cause] === undefined && !NO_TRAPS.has(cause) && !cause.startsWith(HYPERCALL)
}

const NO_TRAPS: ReadonlySet<string> = new Set(["sbi", "tlb-look-up"])

/** Of each entry of a list that a hypercall went through. */
export function costOfUpdate(costs: CostTable): number {
  return costs.emulate
}
