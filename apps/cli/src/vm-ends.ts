/** How the VMs of a run ended, for people; and why a run is none that succeeded although it came to its end: VMs that were lost or refused. */
import type { RunResult, VmEnd } from "@backplane/trap-hypervisor/run-result"
import { CommandFailure } from "./failure.ts"

const REMEDIES: Readonly<Record<string, string>> = {
  lost: "`restartable: true` in the scenario has a lost VM boot again",
  refused: "a VM that was refused never booted: change it as said",
}

/** A line for each VM. */
export function vmRows(vms: RunResult["vms"] = {}): readonly string[] {
  return Object.entries(vms).map(([name, end]) => `  VM ${name}: ${rowOf(end)}`)
}

/** Null: none was lost or refused. */
export function vmFailure(vms: RunResult["vms"] = {}): CommandFailure | null {
  const failed = Object.entries(vms).filter(([, { state }]) => state in REMEDIES)
  if (failed.length === 0) return null
  const told = failed.map(([name, { state, reason }]) => `VM ${name} was ${state} (${reason ?? "no reason was told"})`)
  const states = [...new Set(failed.map(([, { state }]) => state))]
  const remedies = states.map((state) => REMEDIES[state] ?? "")
  const kind = states.length === 1 ? `vm-${states[0] ?? ""}` : "vm-lost"
  return new CommandFailure(kind, `${[...told, ...remedies].join("; ")}`, { details: { vms: failed.map(([name]) => name) } })
}

function rowOf({ state, boots, reason, outcome }: VmEnd): string {
  const lives = `${boots} boot${boots === 1 ? "" : "s"}`
  if (state in REMEDIES) return `${state}: ${reason ?? "no reason was told"}${state === "lost" ? `; ${lives}` : ""}`
  if (outcome === null) return `${state}, ${lives}`
  const { exit, reason: how, instructions, state: hash } = outcome
  return `${how}, exit ${exit}; ${lives}, ${instructions} instructions, state ${hash}`
}
