/** What the CPU under a vCPU carries out without the VMM: modes `assist` and `para`, virtual CSRs in the engine itself. */
import type { Engine } from "@backplane/compute-contract/engine"
import type { ServingHow } from "@backplane/compute-contract/privileged"
import type { VmOptions } from "./vm-types.ts"

/**
 * satp and sfence.vma stay exits, as hardware without nested paging has them; so do environment calls that are SBI's or hypercalls. Under shadow tables the
 * CPU goes between the trees that it was told of. With a software TLB nothing is served: its misses are the guest's traps, and want its frame.
 */
export function servingOf(engine: Engine, { mode, mmu, image, served }: VmOptions): ServingHow | null {
  if (engine.privileged === null || mmu === "softtlb" || served === "outside") return null
  const nested = mmu === "nested"
  if (mode === "trap" && !nested) return null
  return {
    traps: mode === "trap" ? "leave" : "served",
    spaces: false,
    translations: nested ? "own" : "told",
    supervisorCalls: mode === "para" || image.start === "supervisor" ? "leave" : "trap",
    tables: nested ? "noted" : "unknown",
  }
}
