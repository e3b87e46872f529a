/**
 * The virtio-mmio transport, version 2: registers, feature negotiation, queues, interrupt. The essay is README.md of this folder.
 *
 * What a device does with a chain is its `VirtioFunction` (virtio-block, virtio-console, virtio-entropy). A slot without one is empty-slot.ts.
 */
import type { Device, Width, Wire } from "../device.ts"
import type { GuestMemory } from "./guest-memory.ts"
import { QUEUE_RESET, QUEUE_SIZE_MAX, returnChain, takeChain, type Chain, type QueueState } from "./split-queue.ts"
import { MAGIC, Register, Status, VENDOR, VERSION, type TransportState } from "./virtio-registers.ts"

/** Gives a chain back to the driver; may be called at once or any time later. Calls after a reset are dropped by the transport. */
export type GiveBack = (answer: { readonly head: number; readonly written: number }) => void

export interface VirtioFunction {
  /** Virtio 1.2, section 5: 2 block, 3 console, 4 entropy. */
  readonly device: number
  /** Offered beside VERSION_1. Offer only what is honoured: old drivers accept all they see. */
  readonly features: bigint
  readonly queues: number
  /** Device-specific configuration, as bytes. */
  readonly configuration: Uint8Array
  /** True: what is available in that queue stays there for now; whoever changes that calls `VirtioMmio.serve`. Left out: never. */
  holds?(queue: number): boolean
  take(chain: Chain, giveBack: GiveBack, queue: number): void
  /** The driver is ready, and took these of the features that were offered. */
  negotiated?(features: bigint): void
  /** Forget what is under way. */
  reset(): void
}

export interface VirtioWires {
  readonly interrupt: Wire
  readonly memory: GuestMemory
}

const VERSION_1 = 1n << 32n
const USED_BUFFER = 1
const CONFIGURATION_CHANGE = 2
const NO_REGION = 0xffff_ffff

export class VirtioMmio implements Device {
  readonly #wires: VirtioWires
  readonly #function: VirtioFunction
  #state: TransportState
  /** Counts resets, so that an answer to a chain of before is dropped. */
  #life = 0

  constructor(wires: VirtioWires, behind: VirtioFunction) {
    this.#wires = wires
    this.#function = behind
    this.#state = this.#resetState()
  }

  capture(): TransportState {
    return this.#state
  }

  /** Goes on where another left off that had nothing under way. */
  restore(state: TransportState): void {
    this.#state = state
    if (this.isReady()) this.#tellNegotiated()
  }

  /** Registers are 32-bit words; the configuration may be reached with any width. Others read zero. */
  load(offset: number, width: Width): bigint {
    if (offset >= Register.configuration) return this.#loadConfiguration(offset - Register.configuration, width)
    return width === 4 && offset % 4 === 0 ? BigInt(this.#loadRegister(offset) >>> 0) : 0n
  }

  store(offset: number, width: Width, value: bigint): void {
    if (width === 4 && offset % 4 === 0) this.#storeRegister(offset, Number(value & 0xffff_ffffn))
  }

  #loadConfiguration(at: number, width: Width): bigint {
    let value = 0n
    for (let index = width - 1; index >= 0; index -= 1) value = (value << 8n) | BigInt(this.#function.configuration[at + index] ?? 0)
    return value
  }

  #loadRegister(offset: number): number {
    const { featureWord, status, interruptStatus } = this.#state
    switch (offset) {
      case Register.magic:
        return MAGIC
      case Register.version:
        return VERSION
      case Register.device:
        return this.#function.device
      case Register.vendor:
        return VENDOR
      case Register.deviceFeatures:
        return Number((this.#offered() >> BigInt(32 * featureWord)) & 0xffff_ffffn)
      case Register.queueSizeMax:
        return this.#queue() === undefined ? 0 : QUEUE_SIZE_MAX
      case Register.queueReady:
        return this.#queue()?.ready === true ? 1 : 0
      case Register.interruptStatus:
        return interruptStatus
      case Register.status:
        return status
      case Register.sharedLengthLow:
      case Register.sharedLengthHigh:
        return NO_REGION
      default:
        return 0
    }
  }

  #storeRegister(offset: number, value: number): void {
    switch (offset) {
      case Register.deviceFeaturesSelect:
        // Words beyond the first two are empty.
        return this.#set({ featureWord: Math.min(value, 2) })
      case Register.driverFeaturesSelect:
        return this.#set({ driverWord: Math.min(value, 2) })
      case Register.driverFeatures:
        return this.#takeFeatures(value)
      case Register.queueSelect:
        return this.#set({ selected: value })
      case Register.queueSize:
        return this.#changeQueue({ size: legalSize(value) ? value : 0 })
      case Register.queueReady:
        return this.#makeReady((value & 1) === 1)
      case Register.queueNotify:
        return this.serve(value)
      case Register.interruptAcknowledge:
        return this.#acknowledge(value)
      case Register.status:
        return this.#setStatus(value & 0xff)
      default:
        return this.#storeAddress(offset, value)
    }
  }

  /** The six halves of a queue's three addresses. They stand still while it is ready. */
  #storeAddress(offset: number, value: number): void {
    const queue = this.#queue()
    if (queue === undefined || queue.ready) return
    const low = (old: bigint): bigint => (old & ~0xffff_ffffn) | BigInt(value)
    const high = (old: bigint): bigint => (old & 0xffff_ffffn) | (BigInt(value) << 32n)
    switch (offset) {
      case Register.descriptorsLow:
        return this.#changeQueue({ descriptors: low(queue.descriptors) })
      case Register.descriptorsHigh:
        return this.#changeQueue({ descriptors: high(queue.descriptors) })
      case Register.availableLow:
        return this.#changeQueue({ available: low(queue.available) })
      case Register.availableHigh:
        return this.#changeQueue({ available: high(queue.available) })
      case Register.usedLow:
        return this.#changeQueue({ used: low(queue.used) })
      case Register.usedHigh:
        return this.#changeQueue({ used: high(queue.used) })
      default:
        return
    }
  }

  #makeReady(ready: boolean): void {
    const queue = this.#queue()
    if (queue === undefined || (ready && queue.size === 0)) return
    this.#changeQueue({ ready, ...(ready ? {} : { nextAvailable: 0, nextUsed: 0 }) })
  }

  #takeFeatures(bits: number): void {
    const { driverWord, driverFeatures } = this.#state
    const [low, high] = driverFeatures
    if (driverWord < 2) this.#set({ driverFeatures: driverWord === 0 ? [bits, high] : [low, bits] })
  }

  /** Status only grows, except for the reset by writing zero. */
  #setStatus(value: number): void {
    if (value !== 0) {
      this.#set({ status: this.#state.status | value })
      if (this.isReady()) this.#tellNegotiated()
      return
    }
    this.#life += 1
    this.#state = this.#resetState()
    this.#function.reset()
    this.#wires.interrupt(false)
  }

  #tellNegotiated(): void {
    const [low, high] = this.#state.driverFeatures
    this.#function.negotiated?.((BigInt(low) | (BigInt(high) << 32n)) & this.#offered())
  }

  /** The driver is ready: it has said so, and nothing broke since. */
  isReady(): boolean {
    return !this.#isBroken() && (this.#state.status & Status.driverOk) !== 0
  }

  /** Everything that is available now, as far as the function does not hold it. A queue holds at most its size of chains, so this ends. */
  serve(index: number): void {
    const life = this.#life
    for (let served = 0; served <= QUEUE_SIZE_MAX; served += 1) {
      const queue = this.#state.queues[index]
      if (queue === undefined || !this.isReady() || this.#function.holds?.(index) === true) return
      const taken = takeChain(this.#wires.memory, queue)
      if (taken.kind === "none") return
      if (taken.kind === "broken") return this.#break()
      this.#set({ queues: this.#state.queues.with(index, taken.queue) })
      const giveBack: GiveBack = (answer) => {
        if (life === this.#life) this.#giveBack(index, answer)
      }
      this.#function.take(taken.chain, giveBack, index)
    }
  }

  #giveBack(index: number, answer: { readonly head: number; readonly written: number }): void {
    const queue = this.#state.queues[index]
    if (queue === undefined || !queue.ready || this.#isBroken()) return
    const next = returnChain(this.#wires.memory, queue, answer)
    if (next === null) return this.#break()
    this.#set({ queues: this.#state.queues.with(index, next), interruptStatus: this.#state.interruptStatus | USED_BUFFER })
    this.#wires.interrupt(true)
  }

  /** The driver's rings lie: the device stops until it is reset, and says so. */
  #break(): void {
    this.#set({ status: this.#state.status | Status.needsReset, interruptStatus: this.#state.interruptStatus | CONFIGURATION_CHANGE })
    this.#wires.interrupt(true)
  }

  #isBroken(): boolean {
    return (this.#state.status & Status.needsReset) !== 0
  }

  #acknowledge(bits: number): void {
    const interruptStatus = this.#state.interruptStatus & ~bits
    this.#set({ interruptStatus })
    this.#wires.interrupt(interruptStatus !== 0)
  }

  #offered(): bigint {
    return this.#function.features | VERSION_1
  }

  #queue(): QueueState | undefined {
    return this.#state.queues[this.#state.selected]
  }

  #changeQueue(change: Partial<QueueState>): void {
    const queue = this.#queue()
    if (queue !== undefined) this.#set({ queues: this.#state.queues.with(this.#state.selected, { ...queue, ...change }) })
  }

  #set(change: Partial<TransportState>): void {
    this.#state = { ...this.#state, ...change }
  }

  #resetState(): TransportState {
    const queues = new Array<QueueState>(this.#function.queues).fill(QUEUE_RESET)
    return { status: 0, interruptStatus: 0, featureWord: 0, driverWord: 0, driverFeatures: [0, 0], selected: 0, queues }
  }
}

function legalSize(value: number): boolean {
  return value > 0 && value <= QUEUE_SIZE_MAX && (value & (value - 1)) === 0
}
