/**
 * virtio over MMIO, version 2: the registers through which a driver finds a block device, negotiates and hands over its queue.
 * The essay is README.md of this folder. VIRTIO 1.2, 4.2.2.
 */
import { slice, type Device, type Width, type Wire } from "../device.ts"
import { BLOCK_DEVICE, BLOCK_FEATURES, serveBlock } from "./block.ts"
import { BROKEN, QUEUE_ENTRIES_MAX, SplitQueue } from "./split-queue.ts"
import type { Disk } from "./disk.ts"
import type { GuestMemory } from "./guest-memory.ts"

const Register = {
  magic: 0x00,
  version: 0x04,
  device: 0x08,
  vendor: 0x0c,
  deviceFeatures: 0x10,
  deviceFeaturesSelect: 0x14,
  driverFeatures: 0x20,
  driverFeaturesSelect: 0x24,
  queueSelect: 0x30,
  queueEntriesMax: 0x34,
  queueEntries: 0x38,
  queueReady: 0x44,
  queueNotify: 0x50,
  interruptStatus: 0x60,
  interruptAcknowledge: 0x64,
  status: 0x70,
} as const
const CONFIGURATION = 0x100
const CONFIGURATION_BYTES = 8

const MAGIC = 0x7472_6976
const VERSION = 2
/** "QEMU": xv6 looks for it. */
const VENDOR = 0x554d_4551
const VERSION_1 = 1n << 32n
const Status = { driverOk: 4, featuresOk: 8, needsReset: 64, writable: 0x8f } as const
const Interrupt = { usedRing: 1, configuration: 2 } as const
/** Where in `#addresses` each half register lies: descriptors, available, used, low word first. */
const ADDRESS_REGISTERS: readonly number[] = [0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4]

export interface TransportWires {
  readonly interrupt: Wire
  readonly memory: GuestMemory
  /** Null: the slot is empty. */
  readonly disk: Disk | null
}

export class MmioTransport implements Device {
  readonly #wires: TransportWires
  #deviceFeaturesSelect = 0
  #driverFeaturesSelect = 0
  #driverFeatures = 0n
  #status = 0
  #interruptStatus = 0
  #queueSelect = 0
  #queueEntries = 0
  #addresses: readonly number[] = [0, 0, 0, 0, 0, 0]
  /** Not null: QueueReady. */
  #queue: SplitQueue | null = null
  #requests = 0

  constructor(wires: TransportWires) {
    this.#wires = wires
  }

  /** Requests served since the machine was made. */
  requests(): number {
    return this.#requests
  }

  /** Registers are words; an access that is not an aligned word reads zero. The configuration takes any width. */
  load(offset: number, width: Width): bigint {
    if (offset >= CONFIGURATION) return this.#configuration(offset - CONFIGURATION, width)
    return width === 4 && offset % 4 === 0 ? BigInt(this.#loadWord(offset) >>> 0) : 0n
  }

  store(offset: number, width: Width, value: bigint): void {
    if (width === 4 && offset % 4 === 0 && this.#wires.disk !== null) this.#storeWord(offset, Number(value & 0xffff_ffffn))
  }

  #loadWord(offset: number): number {
    if (offset === Register.magic) return MAGIC
    if (offset === Register.version) return VERSION
    if (this.#wires.disk === null) return 0
    switch (offset) {
      case Register.device:
        return BLOCK_DEVICE
      case Register.vendor:
        return VENDOR
      case Register.deviceFeatures:
        return half(BLOCK_FEATURES | VERSION_1, this.#deviceFeaturesSelect)
      case Register.queueEntriesMax:
        return this.#queueSelect === 0 ? QUEUE_ENTRIES_MAX : 0
      case Register.queueReady:
        return this.#queueSelect === 0 && this.#queue !== null ? 1 : 0
      case Register.interruptStatus:
        return this.#interruptStatus
      case Register.status:
        return this.#status
      default:
        return 0
    }
  }

  #storeWord(offset: number, value: number): void {
    switch (offset) {
      case Register.deviceFeaturesSelect:
        this.#deviceFeaturesSelect = value
        return
      case Register.driverFeaturesSelect:
        this.#driverFeaturesSelect = value
        return
      case Register.driverFeatures:
        return this.#acceptFeatures(value)
      case Register.queueSelect:
        this.#queueSelect = value
        return
      case Register.queueNotify:
        if (value === 0) this.#serve()
        return
      case Register.interruptAcknowledge:
        return this.#setInterrupt(this.#interruptStatus & ~value)
      case Register.status:
        return this.#setStatus(value)
      default:
        if (this.#queueSelect === 0) this.#storeQueue(offset, value)
    }
  }

  #storeQueue(offset: number, value: number): void {
    if (offset === Register.queueReady) return this.#setReady(value)
    // The place of a queue is fixed while it is ready.
    if (this.#queue !== null) return
    if (offset === Register.queueEntries) this.#queueEntries = value
    const index = ADDRESS_REGISTERS.indexOf(offset)
    if (index >= 0) this.#addresses = this.#addresses.with(index, value)
  }

  #setReady(value: number): void {
    const entries = this.#queueEntries
    const legal = entries >= 1 && entries <= QUEUE_ENTRIES_MAX && (entries & (entries - 1)) === 0
    if (value !== 1 || !legal) {
      this.#queue = null
      return
    }
    const [descriptors, available, used] = [0, 2, 4].map((low) => this.#address(low))
    this.#queue = new SplitQueue(this.#wires.memory, {
      entries,
      descriptors: descriptors ?? 0n,
      available: available ?? 0n,
      used: used ?? 0n,
    })
  }

  #address(low: number): bigint {
    return BigInt(this.#addresses[low] ?? 0) | (BigInt(this.#addresses[low + 1] ?? 0) << 32n)
  }

  #acceptFeatures(value: number): void {
    if ((this.#status & Status.featuresOk) !== 0 || this.#driverFeaturesSelect > 1) return
    const shift = BigInt(32 * this.#driverFeaturesSelect)
    this.#driverFeatures = (this.#driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift)
  }

  #setStatus(value: number): void {
    if (value === 0) return this.#reset()
    // What was not offered can not be accepted: FEATURES_OK does not stick.
    const unknown = (this.#driverFeatures & ~(BLOCK_FEATURES | VERSION_1)) !== 0n
    const wanted = value & Status.writable & ~(unknown ? Status.featuresOk : 0)
    this.#status = wanted | (this.#status & Status.needsReset)
  }

  #reset(): void {
    this.#status = 0
    this.#driverFeatures = 0n
    this.#deviceFeaturesSelect = 0
    this.#driverFeaturesSelect = 0
    this.#queueSelect = 0
    this.#queueEntries = 0
    this.#addresses = [0, 0, 0, 0, 0, 0]
    this.#queue = null
    this.#setInterrupt(0)
  }

  #serve(): void {
    const { disk, memory } = this.#wires
    const ready = (this.#status & (Status.driverOk | Status.needsReset)) === Status.driverOk
    if (this.#queue === null || disk === null || !ready) return
    let served = 0
    // More chains than entries can not be waiting: the bound only guards against a queue that changes under our hands.
    for (let turn = 0; turn < QUEUE_ENTRIES_MAX; turn += 1) {
      const chain = this.#queue.take()
      if (chain === null) break
      const bytes = chain === BROKEN ? null : serveBlock(chain, { memory, disk })
      if (chain === BROKEN || bytes === null || !this.#queue.giveBack(chain.head, bytes)) {
        this.#status |= Status.needsReset
        return this.#setInterrupt(this.#interruptStatus | Interrupt.configuration)
      }
      served += 1
    }
    this.#requests += served
    if (served > 0) this.#setInterrupt(this.#interruptStatus | Interrupt.usedRing)
  }

  #setInterrupt(status: number): void {
    this.#interruptStatus = status
    this.#wires.interrupt(status !== 0)
  }

  /** The capacity in sectors; nothing after it is told. */
  #configuration(at: number, width: Width): bigint {
    const { disk } = this.#wires
    return disk === null || at >= CONFIGURATION_BYTES ? 0n : slice(BigInt(disk.sectors), at, width)
  }
}

function half(bits: bigint, select: number): number {
  return select > 1 ? 0 : Number((bits >> BigInt(32 * select)) & 0xffff_ffffn)
}
