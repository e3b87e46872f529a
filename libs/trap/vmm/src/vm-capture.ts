/**
 * A VM's state between two instructions as plain data, and back: what goes over the bus when it moves to another node.
 *
 * Complete but for memory and disk, which travel beside it: on another VMM the run goes on exactly as it would have. What can be made anew is left out: shadow trees
 * and second stage are filled again at first touch, as after a fence of everything. So one thing is not preserved, which the architecture allows: translations that the
 * guest has changed without `sfence.vma` and that a tree or the look-up TLB still knew.
 * R1: nothing is under way: no exit is held, no request of a device unanswered.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { decodeBase64, encodeBase64 } from "@backplane/foundation-base/base64"
import { slotsOf } from "@backplane/trap-csr/csr-file"
import { devicesRecordOf } from "@backplane/trap-board/board-capture"
import type { Console } from "@backplane/trap-board/console"
import type { VirtioSlotState } from "@backplane/trap-board/wiring"
import type { MachineClock } from "@backplane/trap-board/machine-clock"
import type { VcpuCapture, VmCapture } from "@backplane/trap-contract/vm-capture"
import type { MachineSwitch } from "./machine-switch.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { Vcpu } from "./vcpu.ts"
import type { VcpuTimes } from "./vcpu-times.ts"
import type { VmDevices } from "./vm-devices.ts"

/** Of a VM, what its capture is made of. */
export interface CapturedParts {
  readonly vcpus: readonly Vcpu[]
  readonly machineSwitch: MachineSwitch
  readonly memory: PhysicalMap
  readonly devices: VmDevices
  readonly console: Console
  readonly clock: MachineClock
  readonly times: VcpuTimes
}

export function captureOfVm(parts: CapturedParts, instructions: number): VmCapture {
  const { vcpus, devices, console, clock, memory } = parts
  const { registers, uartUsed, virtio, htifReading } = devices.capture()
  const { input, output } = console.capture()
  return {
    vcpus: vcpus.map((vcpu) => captureOfVcpu(vcpu, parts)),
    devices: devicesRecordOf(registers, uartUsed),
    virtio: virtio.map(captureOfTransport),
    htifReading,
    console: { input: encodeBase64(input), output: encodeBase64(output) },
    passed: clock.passed(),
    instructions,
    out: [...memory.outPages()],
  }
}

/** Into a VM that was made with the devices of the capture and clock, and never ran. */
export function restoreVcpus(
  { vcpus, machineSwitch, times }: Pick<CapturedParts, "vcpus" | "machineSwitch" | "times">,
  capture: VmCapture,
): void {
  assert(capture.vcpus.length === vcpus.length, "a VM goes on with as many vCPUs as it had")
  for (const [index, { registers, pc, instret, csrs, units, resting, ...rest }] of capture.vcpus.entries()) {
    const vcpu = defined(vcpus[index], "the vCPU exists")
    machineSwitch.leave(vcpu)
    assert(csrs.length === slotsOf(vcpu.file), "a vCPU goes on with the CSRs that it had")
    for (const [slot, value] of csrs.entries()) vcpu.file.set(slot, BigInt(value))
    vcpu.saved = { registers: registers.map(BigInt), pc: BigInt(pc), instret: BigInt(instret) }
    const { resume } = rest
    vcpu.restore({ ...rest, resume: resume === null ? null : { pc: BigInt(resume.pc), opaque: BigInt(resume.opaque) } })
    times.restore(index, { units, resting })
    vcpu.refreshProtection()
    vcpu.refreshTranslation()
  }
}

export function transportsOf({ virtio }: VmCapture): readonly VirtioSlotState[] {
  return virtio.map(({ queues, ...rest }) => ({
    ...rest,
    queues: queues.map(({ descriptors, available, used, ...queue }) => ({
      ...queue,
      descriptors: BigInt(descriptors),
      available: BigInt(available),
      used: BigInt(used),
    })),
  }))
}

export function consoleBytesOf({ console: { input, output } }: VmCapture): { readonly input: Uint8Array; readonly output: Uint8Array } {
  return { input: decodeBase64(input), output: decodeBase64(output) }
}

function captureOfVcpu(vcpu: Vcpu, { machineSwitch, times }: CapturedParts): VcpuCapture {
  const { registers, pc, instret } = machineSwitch.state(vcpu)
  const { resume, ...rest } = vcpu.capture()
  return {
    ...rest,
    registers: registers.map(hex),
    pc: hex(pc),
    instret: hex(instret),
    csrs: Array.from({ length: slotsOf(vcpu.file) }, (_, slot) => hex(vcpu.file.get(slot))),
    resume: resume === null ? null : { pc: hex(resume.pc), opaque: hex(resume.opaque) },
    units: times.of(vcpu.index),
    resting: times.isResting(vcpu.index),
  }
}

function captureOfTransport({ queues, driverFeatures, ...rest }: VirtioSlotState): VmCapture["virtio"][number] {
  const [low, high] = driverFeatures
  return {
    ...rest,
    // The driver's words are kept as they were written: JavaScript's bit operations make them signed.
    driverFeatures: [low >>> 0, high >>> 0],
    queues: queues.map(({ descriptors, available, used, ...queue }) => ({
      ...queue,
      descriptors: hex(descriptors),
      available: hex(available),
      used: hex(used),
    })),
  }
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}
