/** Puts the image of a VM where it begins, its vCPUs at its entry, and what the guest is told of its machine. */
import { defined } from "@backplane/foundation-base/assert"
import { boot } from "@backplane/trap-board/boot"
import { HYPERVISOR } from "./hypercalls.ts"
import type { MachineSwitch } from "./machine-switch.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { Vcpu } from "./vcpu.ts"
import type { VmOptions } from "./vm-types.ts"

export interface Booting {
  readonly memory: PhysicalMap
  readonly vcpus: readonly Vcpu[]
  readonly machineSwitch: MachineSwitch
  /** The guest is told of hypercalls. */
  readonly isPara: boolean
}

export function bootVm({ memory, vcpus, machineSwitch, isPara }: Booting, options: VmOptions): void {
  const vcpu = (index: number): Vcpu => defined(vcpus[index], "the vCPU exists")
  boot(
    {
      writeMemory: (address, data) => memory.write(address, data),
      writePc: (index, pc) => machineSwitch.writePc(vcpu(index), pc),
      writeRegister: (index, register, value) => machineSwitch.writeRegister(vcpu(index), register, value),
    },
    options.image,
    { ...options, harts: vcpus, ...(isPara && { hypervisor: HYPERVISOR }) },
  )
}
