/** How the VMM is to make a VM of a description. */
import { assert } from "@backplane/foundation-base/assert"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { LaterDisk } from "@backplane/trap-devices/virtio-block/later-disk"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { VmOptions } from "@backplane/trap-vmm/vm"
import { devicesOf, type SeededEntropy } from "./extra-devices.ts"

export function vmOptionsOf(
  vm: VmSpec,
  { image, entropy, disk }: { readonly image: BootImage; readonly entropy: SeededEntropy | null; readonly disk: LaterDisk | null },
): VmOptions {
  const { cpus: vcpus, memoryBytes, mode, mmu, trapPath } = vm
  assert(mode !== "native", "a native machine is refused")
  return {
    ...{ image, vcpus, memoryBytes, mode, turns: "scheduled", exits: trapPath, idleLoops: "yield" },
    ...(mmu !== undefined && mmu !== "walk" && { mmu }),
    ...devicesOf(vm, entropy),
    ...(disk !== null && { disks: [disk] }),
  }
}
