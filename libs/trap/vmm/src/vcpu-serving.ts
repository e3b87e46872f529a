/** What the CPU under a vCPU carries out without the VMM: modes `assist` and `para`, virtual CSRs in the engine itself. */
import type { Engine } from "@backplane/compute-contract/engine"
import type { ServingHow } from "@backplane/compute-contract/privileged"
import type { VmOptions } from "./vm-types.ts"

/**
 * Under shadow tables satp and sfence.vma stay exits, as hardware without nested paging has them, and the CPU goes between the trees that it was told of.
 * Under nested ones both are the guest's own, as the H extension has them while hstatus.VTVM is 0: the VMM keeps nothing that hangs on the guest's tables.
 * Environment calls that are SBI's or hypercalls leave. With a software TLB nothing is served: its misses are the guest's traps, and want its frame.
 */
export function servingOf(engine: Engine, { mode, mmu, image, served }: VmOptions): ServingHow | null {
  if (engine.privileged === null || mmu === "softtlb" || served === "outside") return null
  const nested = mmu === "nested"
  if (mode === "trap" && !nested) return null
  return {
    traps: mode === "trap" ? "leave" : "served",
    spaces: nested,
    translations: nested ? "own" : "told",
    supervisorCalls: mode === "para" || image.start === "supervisor" ? "leave" : "trap",
    tables: nested ? "noted" : "unknown",
  }
}
