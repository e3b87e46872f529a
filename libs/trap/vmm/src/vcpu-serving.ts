/**
 * What the CPU under a vCPU carries out without the host's code: hardware's part in modes `assist` and `para`, virtual CSRs in the engine itself; and of the
 * exits that remain, those that the VMM answers inside the engine's module.
 */
import type { Engine } from "@backplane/compute-contract/engine"
import type { ServingHow } from "@backplane/compute-contract/privileged"
import type { VmOptions } from "./vm-types.ts"

/**
 * In mode `trap` every privileged operation is an exit; in the others, under shadow tables, satp and sfence.vma are, as hardware without nested paging has them.
 * Under nested ones both are the guest's own, as the H extension has them while hstatus.VTVM is 0: the VMM keeps nothing that hangs on the guest's tables.
 *
 * Swift exits: nearly all of these only read or write the virtual CSRs, enter or leave the guest's handler, go to a tree that the CPU was told of, or fence where no
 * table was written. The VMM's answers to them lie inside the engine's module: exits, counted as such and of the same cost in the ledger, but the host's code
 * is not entered. Where each exit must be seen by itself (it is recorded, or handled over the bus) all go the long way, and the run is the same.
 *
 * Environment calls that are SBI's or hypercalls leave. With a software TLB nothing is served: its misses are the guest's traps, and want its frame.
 */
export function servingOf(
  engine: Engine,
  { mode, mmu, image, served, exits, idleLoops, turns, vcpus }: VmOptions,
  { isRecorded, isPart }: { readonly isRecorded: boolean; readonly isPart: boolean },
): ServingHow | null {
  if (engine.privileged === null || mmu === "softtlb" || served === "outside") return null
  const nested = mmu === "nested"
  const swift = !isRecorded && exits !== "bus"
  if (mode === "trap" && !nested && !swift) return null
  return {
    traps: mode === "trap" && !swift ? "leave" : "served",
    spaces: nested || swift,
    translations: nested ? "own" : "told",
    supervisorCalls: mode === "para" || image.start === "supervisor" ? "leave" : "trap",
    exits: mode === "trap" ? "all" : nested ? "none" : "spaces",
    rounds: (turns === "scheduled" ? isPart && idleLoops === "yield" : idleLoops === "give-way" && vcpus > 1) ? "told" : "none",
    tables: nested ? "noted" : "unknown",
  }
}
