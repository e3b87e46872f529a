/** What may be looked at of a vCPU without changing it: by whoever handles its exits, and by the search for idle loops. */
import { Slot } from "@backplane/trap-csr/csr-file"
import { pendingBits } from "@backplane/trap-csr/interrupts"
import type { BoardStop } from "@backplane/trap-board/board-types"
import type { HartWaits } from "@backplane/trap-board/hart-waits"
import type { Moment } from "@backplane/trap-csr/moment"
import type { ExitView } from "./entry.ts"
import type { MachineSwitch, RunView } from "./machine-switch.ts"
import type { SystemCalls } from "./system-calls.ts"
import type { Vcpu } from "./vcpu.ts"

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
  return {
    pending: () => pendingBits(vcpu.file, moment),
    callOpen: () => calls.isOpen(vcpu.index),
    fencesLeave: () => vcpu.mmu.owesFence(),
  }
}

/** It can never go on: where, and why. */
export function stuckAt(vcpu: Vcpu, machineSwitch: MachineSwitch): Extract<BoardStop, { kind: "stuck" }> {
  const pc = machineSwitch.readPc(vcpu).toString(16)
  return { kind: "stuck", detail: `the trap handler itself traps: vCPU ${vcpu.index} at 0x${pc}, cause ${vcpu.file.get(Slot.mcause)}` }
}

/** Nobody of a VM can go on, and no timer is set: what a run stops with. */
export function heldAt(held: ReturnType<HartWaits<Vcpu>["hold"]>, machineSwitch: MachineSwitch): BoardStop {
  if (held.kind === "idle") return held
  return held.hart === null ? { kind: "stuck", detail: "every vCPU is stopped" } : stuckAt(held.hart, machineSwitch)
}
