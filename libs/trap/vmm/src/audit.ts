/** Looks at everything that the engine could walk and says what breaks isolation. Slow; for tests and for simulation. */
import { isDevicePage } from "./shadow-space.ts"
import type { Vmm } from "./vmm.ts"

/** One sentence for each breach; none is what must come out. */
export function audit(vmm: Vmm): readonly string[] {
  return vmm.vms().flatMap((vm) =>
    vm.vcpus.flatMap((vcpu) =>
      vcpu.shadow.spaces().flatMap((space) => {
        const where = `vm ${vm.number}, vCPU ${vcpu.index}`
        const root = vmm.frames.ownerOf(space.root) === "vmm" ? [] : [`${where}: a root is not the VMM's`]
        const leaves = [...space.entries()]
          .filter(({ machinePage }) => !isDevicePage(machinePage) && vmm.frames.ownerOf(machinePage) !== vm.number)
          .map(({ address, machinePage }) => {
            const owner = vmm.frames.ownerOf(machinePage)
            return `${where}: 0x${address.toString(16)} reaches machine page 0x${machinePage.toString(16)}, owned by ${owner ?? "nobody"}`
          })
        return [...root, ...leaves]
      }),
    ),
  )
}
