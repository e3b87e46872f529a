/** The devices of the board at their addresses, and their wires to the harts. Devices know offsets only; this file knows the rest. */
import { assert } from "@backplane/foundation-base/assert"
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
import { Plic, machineContext, plicReset, supervisorContext, type PlicAffinity, type PlicState } from "@backplane/trap-devices/plic/plic"
import { Uart } from "@backplane/trap-devices/uart/uart"
import { UART_RESET, type UartState } from "@backplane/trap-devices/uart/uart-registers"
import { diskFunction, type Disk } from "@backplane/trap-devices/virtio-block/disk"
import { laterDiskFunction, type LaterDisk } from "@backplane/trap-devices/virtio-block/later-disk"
import { EMPTY_SLOT } from "@backplane/trap-devices/virtio-mmio/empty-slot"
import { RECEIVE_QUEUE, VirtioConsole } from "@backplane/trap-devices/virtio-console/virtio-console"
import { VirtioEntropy } from "@backplane/trap-devices/virtio-entropy/virtio-entropy"
import { VirtioMmio, type VirtioFunction } from "@backplane/trap-devices/virtio-mmio/virtio-mmio"
import { MEIP, MSIP, MTIP, SEIP } from "@backplane/trap-csr/causes"
import type { Clock, Device } from "@backplane/trap-devices/device"
import type { Console } from "./console.ts"
import type { GuestMemory } from "@backplane/trap-devices/virtio-mmio/guest-memory"
import type { TransportState } from "@backplane/trap-devices/virtio-mmio/virtio-registers"
import type { VirtioExtras } from "./board-types.ts"

/** The last two slots, so that disks keep their numbers. */
const CONSOLE_SLOT = VIRTIO_SLOTS - 2
const ENTROPY_SLOT = VIRTIO_SLOTS - 1
export const DISKS_MAX = VIRTIO_SLOTS - 2

export interface WiringOptions {
  readonly harts: number
  readonly clock: Clock
  /** What the UART and a virtio-console write to and read from. */
  readonly console: Pick<Console, "write" | "waitingBytes" | "take">
  /** Where virtio devices find their queues. */
  readonly memory: GuestMemory
  /** By virtio slot from the first on; the slots without a device are empty. */
  readonly disks: readonly (Disk | LaterDisk)[]
  readonly virtio?: VirtioExtras
  readonly interruptAffinity?: PlicAffinity
  /** Where another board left off; absent: reset. */
  readonly devices?: DevicesState
}

/** The registers of every device that has any which matter between two instructions: the finisher's one ends the machine. */
export interface DevicesState {
  readonly clint: ClintState
  readonly plic: PlicState
  readonly uart: UartState
}

export type VirtioSlotState = TransportState & { readonly slot: number }

export class Wiring {
  readonly map: AddressMap
  readonly clint: Clint
  readonly uart: Uart
  readonly finisher = new Finisher()
  readonly #plic: Plic
  readonly #console: WiringOptions["console"]
  readonly #virtioConsole: VirtioMmio | null
  /** By slot, those with a device. */
  readonly #transports: ReadonlyMap<number, VirtioMmio>
  /** MEIP and SEIP of each hart as the PLIC drives them; stale while `#externalStale`. */
  readonly #external: bigint[]
  #externalStale = true

  constructor({ harts, clock, console, memory, disks, virtio = {}, interruptAffinity, devices }: WiringOptions) {
    const state = devices ?? { clint: clintReset(harts), plic: plicReset(2 * harts), uart: UART_RESET }
    this.#external = new Array<bigint>(harts).fill(0n)
    this.#console = console
    this.#plic = new Plic(() => (this.#externalStale = true), state.plic, interruptAffinity)
    // Its levels are read anew before every entry to the engine, so a change needs no notice.
    this.clint = new Clint({ clock, changed: () => undefined }, state.clint)
    const output = (byte: number): void => console.write(byte)
    this.uart = new Uart({ interrupt: (level) => this.#plic.drive(UART_INTERRUPT, level), output }, state.uart)
    const functions = new Map<number, VirtioFunction>(
      disks.map((disk, index) => [index, "submit" in disk ? laterDiskFunction(disk, memory) : diskFunction(disk, memory)]),
    )
    assert(disks.length <= DISKS_MAX, "disks leave two virtio slots to others")
    if (virtio.console === true) {
      const ends = { memory, output, waiting: () => console.waitingBytes, take: (bytes: number) => console.take(bytes) }
      functions.set(CONSOLE_SLOT, new VirtioConsole(ends))
    }
    if (virtio.entropy !== undefined) functions.set(ENTROPY_SLOT, new VirtioEntropy(memory, virtio.entropy))
    const transports = new Map(
      [...functions].map(([index, behind]) => {
        const interrupt = (level: boolean): void => this.#plic.drive(virtioInterrupt(index), level)
        return [index, new VirtioMmio({ interrupt, memory }, behind)]
      }),
    )
    this.#transports = transports
    this.#virtioConsole = transports.get(CONSOLE_SLOT) ?? null
    const slot = (index: number): Device => transports.get(index) ?? EMPTY_SLOT
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

  /** The virtio transports by slot. What a device has under way is not in it: ask when there is nothing. */
  captureVirtio(): readonly VirtioSlotState[] {
    return [...this.#transports].map(([slot, transport]) => ({ slot, ...transport.capture() }))
  }

  restoreVirtio(slots: readonly VirtioSlotState[]): void {
    for (const { slot, ...state } of slots) this.#transports.get(slot)?.restore(state)
  }

  /** Console input goes to the virtio-console once its driver is ready, else to the UART as it has room, if the guest has ever touched it. */
  deliverInput({ uartUsed }: { readonly uartUsed: boolean }): void {
    if (this.#virtioConsole?.isReady() === true) return this.#virtioConsole.serve(RECEIVE_QUEUE)
    while (uartUsed && this.uart.room() > 0 && this.#console.waitingBytes > 0) {
      for (const byte of this.#console.take(1)) this.uart.receive(byte)
    }
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
