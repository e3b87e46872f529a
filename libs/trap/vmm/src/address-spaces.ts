/** Makes the memory management of a VM's vCPUs, as its options ask. */
import { NestedMmu } from "./nested-mmu.ts"
import { SecondLevelTlb } from "./second-level-tlb.ts"
import { SecondStage, secondStageFramesMax } from "./second-stage.ts"
import { Shadow, shadowFramesMax, type ShadowOptions } from "./shadow.ts"
import { SoftTlbMmu } from "./softtlb-mmu.ts"
import type { GuestMmu } from "./guest-mmu.ts"
import type { VmOptions } from "./vm-types.ts"

/** Frames of the VMM's own that a VM of this shape can need. */
export function mmuFramesMax({ memoryBytes, vcpus, mmu }: Pick<VmOptions, "memoryBytes" | "vcpus" | "mmu">): number {
  return mmu === "nested" ? secondStageFramesMax(memoryBytes) : vcpus * shadowFramesMax(memoryBytes)
}

export interface AddressSpaces {
  of(vcpu: Omit<ShadowOptions, "engine" | "frames" | "memory">): GuestMmu
  /** What all vCPUs share; the VM is gone. */
  destroy(): void
}

export function makeAddressSpaces(
  { mmu, secondLevelTlb = false }: Pick<VmOptions, "mmu" | "secondLevelTlb">,
  place: Pick<ShadowOptions, "engine" | "frames" | "memory">,
): AddressSpaces {
  if (mmu === "nested") {
    const stage = new SecondStage(place)
    return { of: ({ file }) => new NestedMmu({ file, stage }), destroy: () => stage.destroy() }
  }
  return {
    of(vcpu) {
      const shadow = new Shadow({ ...place, ...vcpu })
      if (mmu !== "softtlb") return shadow
      const { memory } = place
      return new SoftTlbMmu({ file: vcpu.file, memory, shadow, secondLevel: secondLevelTlb ? new SecondLevelTlb() : null })
    },
    destroy: () => undefined,
  }
}
