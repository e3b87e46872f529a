/**
 * What the other nodes of a VM that lies on several have to do with its part at one: they use its devices, where that is the home, and end it.
 *
 * Not here: what they say (trap/vm-host).
 */
import { defined } from "@backplane/foundation-base/assert"
import type { BoardEnd } from "@backplane/trap-board/board-types"
import type { Width } from "@backplane/trap-devices/device"
import type { MachineSwitch } from "./machine-switch.ts"
import type { PollWatch } from "./poll-watch.ts"
import type { Vcpu } from "./vcpu.ts"
import type { VcpuTimes } from "./vcpu-times.ts"
import type { VmDevices } from "./vm-devices.ts"

export interface DeviceUse {
  readonly address: bigint
  readonly width: Width
  /** What is stored; null: a load. */
  readonly value: bigint | null
}

export interface VmSidePort {
  readonly devices: VmDevices
  readonly times: VcpuTimes
  /** The whole machine ends so, unless it has already. */
  end(end: BoardEnd): void
  readonly vcpus: readonly Vcpu[]
  readonly machineSwitch: MachineSwitch
  readonly polls: PollWatch
}

export class VmSide {
  readonly #port: VmSidePort

  constructor(port: VmSidePort) {
    this.#port = port
  }

  /** Of a vCPU at another node. Null: there is no such device. */
  use({ address, width, value }: DeviceUse): bigint | null {
    const { devices } = this.#port
    if (value === null) {
      const found = devices.loadDevice(address, width)
      return found.kind === "absent" ? null : found.value
    }
    const stored = devices.storeDevice(address, width, value)
    if (stored.kind === "end") this.#port.end(stored)
    return stored.kind === "absent" ? null : 0n
  }

  /** Interrupt wires of a vCPU as they are now, what was typed being delivered. */
  lines(vcpu: number): bigint {
    this.#port.devices.deliverInput()
    return this.#port.devices.lines(vcpu)
  }

  /** `mtimecmp` of a vCPU, and the clock that it is compared with. */
  timer(vcpu: number): bigint {
    return this.#port.devices.timer(vcpu)
  }

  time(): bigint {
    return this.#port.devices.time()
  }

  /** By the clock of the machine so many units have passed. */
  keepUp(units: number): void {
    this.#port.times.reach(units)
  }

  end(end: BoardEnd): void {
    this.#port.end(end)
  }

  /** A general register of a vCPU of this node. */
  register(vcpu: number, index: number): bigint {
    const { vcpus, machineSwitch } = this.#port
    return machineSwitch.readRegister(defined(vcpus[vcpu], "the vCPU exists"), index)
  }

  /** A page has gone, or a device has written: a proof that a loop only polls holds no longer. */
  written(): void {
    this.#port.polls.disturbed()
  }
}
