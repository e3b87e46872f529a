/**
 * Looks at everything that the engine could walk, and at what its look-up TLB holds, and says what breaks isolation. Slow; for tests and for
 * simulation.
 */
import { isDevicePage } from "./shadow-space.ts"
import { lookUpBreaches } from "./look-up-audit.ts"
import { SecondStage } from "./second-stage.ts"
import { PAGE_SHIFT } from "./machine-frames.ts"
import type { Mapping } from "./guest-mmu.ts"
import type { Vm } from "./vm.ts"
import type { Vmm } from "./vmm.ts"

/** One sentence for each breach; none is what must come out. */
export function audit(vmm: Vmm): readonly string[] {
  return vmm.vms().flatMap((vm) =>
    vm.vcpus.flatMap((vcpu) => {
      const where = `vm ${vm.number}, vCPU ${vcpu.index}`
      const trees = vcpu.mmu.trees().flatMap((tree) => {
        const root = vmm.frames.ownerOf(tree.root) === "vmm" ? [] : [`${where}: a root is not the VMM's`]
        const staged = tree instanceof SecondStage
        return [...root, ...[...tree.entries()].flatMap((entry) => leafBreaches(vmm, vm, { where, entry, staged }))]
      })
      return [...trees, ...lookUpBreaches(vmm, vm, vcpu)]
    }),
  )
}

function leafBreaches(
  { frames }: Vmm,
  vm: Vm,
  { where, entry, staged }: { readonly where: string; readonly entry: Mapping; readonly staged: boolean },
): readonly string[] {
  const { address, machinePage } = entry
  if (isDevicePage(machinePage)) return staged ? [`${where}: a device has an entry of the second stage`] : []
  const owner = frames.ownerOf(machinePage)
  if (owner === "shared" && entry.write) return [`${where}: 0x${address.toString(16)} may be written, and lies in a frame of equal pages`]
  if (!(owner === "shared" && vm.memory.hasFrame(machinePage)) && owner !== vm.number) {
    return [`${where}: 0x${address.toString(16)} reaches machine page 0x${machinePage.toString(16)}, owned by ${owner ?? "nobody"}`]
  }
  const page = address >> PAGE_SHIFT
  if (staged && !(vm.memory.isResident(page) && vm.memory.machinePage(page) === machinePage)) {
    return [`${where}: physical 0x${address.toString(16)} has a frame of another page`]
  }
  return []
}
