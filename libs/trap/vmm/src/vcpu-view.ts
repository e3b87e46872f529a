/** What may be looked at of a vCPU without changing it: by whoever handles its exits, and by the search for idle loops. */
import { pendingBits } from "@backplane/trap-csr/interrupts"
import type { Engine } from "@backplane/compute-contract/engine"
import type { Moment } from "@backplane/trap-csr/moment"
import type { ExitView } from "./entry.ts"
import type { MachineSwitch, RunView } from "./machine-switch.ts"
import type { SystemCalls } from "./system-calls.ts"
import type { Vcpu } from "./vcpu.ts"

/** The 32 bits that the vCPU would fetch there; null where the engine would have to ask for the page, or they lie over its end. */
export function instructionAt(engine: Engine, { cpu }: Vcpu, pc: bigint): number | null {
  if (cpu === null || (pc & 0xfffn) > 0xffcn) return null
  const found = engine.translate(cpu, pc, "fetch")
  if (!("address" in found) || !engine.isMemory(found.address, 4)) return null
  const [low = 0, second = 0, third = 0, high = 0] = engine.readMemory(found.address, 4)
  return (low | (second << 8) | (third << 16) | (high << 24)) >>> 0
}

/** Read when it is asked: most exits look neither at the count nor at the clock, and both are costly 64-bit numbers. */
export function viewOf(
  vcpu: Vcpu,
  { machineSwitch, time }: { readonly machineSwitch: MachineSwitch; readonly time: () => bigint },
): ExitView {
  const moment: Moment = {
    get instret() {
      return machineSwitch.readInstret(vcpu)
    },
    get time() {
      return time()
    },
  }
  return { moment, register: (index) => machineSwitch.readRegister(vcpu, index) }
}

/** What a CPU that serves itself is told before it runs. */
export function runViewOf(vcpu: Vcpu, moment: Moment, calls: SystemCalls): RunView {
  return { pending: () => pendingBits(vcpu.file, moment), callOpen: () => calls.isOpen(vcpu.index) }
}
