/** The devices of the board at their addresses, and their wires to the harts. Devices know offsets only; this file knows the rest. */
import { AddressMap } from "@backplane/trap-devices/address-map/address-map"
import {
  CLINT,
  FINISHER,
  PLIC,
  UART,
  UART_INTERRUPT,
  virtioInterrupt,
  virtioPlace,
  VIRTIO_SLOTS,
} from "@backplane/trap-devices/address-map/virt-map"
import { Clint, clintReset, type ClintState } from "@backplane/trap-devices/clint/clint"
import { Finisher } from "@backplane/trap-devices/finisher/finisher"
import { Plic, machineContext, plicReset, supervisorContext, type PlicState } from "@backplane/trap-devices/plic/plic"
import { Uart } from "@backplane/trap-devices/uart/uart"
import { UART_RESET, type UartState } from "@backplane/trap-devices/uart/uart-registers"
import { diskFunction, type Disk } from "@backplane/trap-devices/virtio-block/disk"
import { EMPTY_SLOT } from "@backplane/trap-devices/virtio-mmio/empty-slot"
import { VirtioMmio } from "@backplane/trap-devices/virtio-mmio/virtio-mmio"
import { MEIP, MSIP, MTIP, SEIP } from "@backplane/trap-csr/causes"
import type { Clock, Device } from "@backplane/trap-devices/device"
import type { GuestMemory } from "@backplane/trap-devices/virtio-mmio/guest-memory"

export interface WiringOptions {
  readonly harts: number
  readonly clock: Clock
  readonly output: (byte: number) => void
  /** Where disks find their queues. */
  readonly memory: GuestMemory
  /** By virtio slot; the slots without one are empty. */
  readonly disks: readonly Disk[]
  /** Where another board left off; absent: reset. */
  readonly devices?: DevicesState
}

/** The registers of every device that has any which matter between two instructions: the finisher's one ends the machine. */
export interface DevicesState {
  readonly clint: ClintState
  readonly plic: PlicState
  readonly uart: UartState
}

export class Wiring {
  readonly map: AddressMap
  readonly clint: Clint
  readonly uart: Uart
  readonly finisher = new Finisher()
  readonly #plic: Plic
  /** MEIP and SEIP of each hart as the PLIC drives them; stale while `#externalStale`. */
  readonly #external: bigint[]
  #externalStale = true

  constructor({ harts, clock, output, memory, disks, devices }: WiringOptions) {
    const state = devices ?? { clint: clintReset(harts), plic: plicReset(2 * harts), uart: UART_RESET }
    this.#external = new Array<bigint>(harts).fill(0n)
    this.#plic = new Plic(() => (this.#externalStale = true), state.plic)
    // Its levels are read anew before every entry to the engine, so a change needs no notice.
    this.clint = new Clint({ clock, changed: () => undefined }, state.clint)
    this.uart = new Uart({ interrupt: (level) => this.#plic.drive(UART_INTERRUPT, level), output }, state.uart)
    const slot = (index: number): Device => {
      const disk = disks[index]
      if (disk === undefined) return EMPTY_SLOT
      const interrupt = (level: boolean): void => this.#plic.drive(virtioInterrupt(index), level)
      return new VirtioMmio({ interrupt, memory }, diskFunction(disk, memory))
    }
    this.map = new AddressMap([
      { name: "finisher", ...FINISHER, device: this.finisher },
      { name: "clint", ...CLINT, device: this.clint },
      { name: "plic", ...PLIC, device: this.#plic },
      { name: "uart", ...UART, device: this.uart },
      ...Array.from({ length: VIRTIO_SLOTS }, (_, index) => ({ name: `virtio${index}`, ...virtioPlace(index), device: slot(index) })),
    ])
  }

  capture(): DevicesState {
    return { clint: this.clint.capture(), plic: this.#plic.capture(), uart: this.uart.capture() }
  }

  /** The levels of a hart's interrupt wires now, as bits of `mip`. */
  lines(hart: number): bigint {
    if (this.#externalStale) this.#readExternal()
    return (this.#external[hart] ?? 0n) | (this.clint.softwarePending(hart) ? MSIP : 0n) | (this.clint.timerPending(hart) ? MTIP : 0n)
  }

  #readExternal(): void {
    this.#externalStale = false
    for (let hart = 0; hart < this.#external.length; hart++) {
      this.#external[hart] =
        (this.#plic.output(machineContext(hart)) ? MEIP : 0n) | (this.#plic.output(supervisorContext(hart)) ? SEIP : 0n)
    }
  }
}
