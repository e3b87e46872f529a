/**
 * UART 16550A: registers, FIFOs, interrupt identification. The essay is README.md of this folder.
 *
 * Sending takes no time: a byte written to THR is on the wire before the store retires. Line speed, parity and framing are kept
 * as register contents and mean nothing.
 */
import type { Device, Width, Wire } from "../device.ts"
import {
  Fcr,
  FIFO_BYTES,
  Identification,
  Ier,
  Lcr,
  Lsr,
  Mcr,
  modemStatus,
  Register,
  TRIGGER_BYTES,
  type UartState,
} from "./uart-registers.ts"

export interface UartWires {
  readonly interrupt: Wire
  /** One byte leaves on the line. */
  readonly output: (byte: number) => void
}

export class Uart implements Device {
  readonly #wires: UartWires
  /** Received bytes not yet read, oldest first; at most FIFO_BYTES, or one while the FIFO is off. */
  #received: number[]
  #state: Omit<UartState, "received">

  constructor(wires: UartWires, { received, ...state }: UartState) {
    this.#wires = wires
    this.#received = [...received]
    this.#state = state
  }

  /** A copy for a checkpoint; the constructor takes it back. */
  capture(): UartState {
    return { ...this.#state, received: [...this.#received] }
  }

  /** How many more bytes the line may deliver now. Ask before `receive`: a byte beyond that is lost as an overrun. */
  room(): number {
    return (this.#fifoOn() ? FIFO_BYTES : 1) - this.#received.length
  }

  /** A byte comes in from the line. */
  receive(byte: number): void {
    if (this.room() <= 0) this.#set({ lsr: this.#state.lsr | Lsr.overrun })
    else this.#received.push(byte & 0xff)
    this.#set({ lsr: this.#state.lsr | Lsr.dataReady })
    this.#driveInterrupt()
  }

  /** Every register is one byte wide; a wider access reaches the one at its offset. */
  load(offset: number, _width: Width): bigint {
    return BigInt(this.#loadByte(offset))
  }

  store(offset: number, _width: Width, value: bigint): void {
    this.#storeByte(offset, Number(value & 0xffn))
  }

  #loadByte(offset: number): number {
    const { dlab } = this.#banks()
    switch (offset) {
      case Register.data:
        return dlab ? this.#state.divisorLow : this.#takeReceived()
      case Register.interruptEnable:
        return dlab ? this.#state.divisorHigh : this.#state.ier
      case Register.identification:
        return this.#takeIdentification()
      case Register.lineControl:
        return this.#state.lcr
      case Register.modemControl:
        return this.#state.mcr
      case Register.lineStatus:
        return this.#takeLineStatus()
      case Register.modemStatus:
        return modemStatus(this.#state.mcr)
      case Register.scratch:
        return this.#state.scratch
      default:
        return 0
    }
  }

  #storeByte(offset: number, value: number): void {
    const { dlab } = this.#banks()
    switch (offset) {
      case Register.data:
        return dlab ? this.#set({ divisorLow: value }) : this.#send(value)
      case Register.interruptEnable:
        return dlab ? this.#set({ divisorHigh: value }) : this.#enable(value & Ier.all)
      case Register.identification:
        return this.#controlFifo(value)
      case Register.lineControl:
        return this.#set({ lcr: value })
      case Register.modemControl:
        return this.#set({ mcr: value & Mcr.all })
      case Register.scratch:
        return this.#set({ scratch: value })
      default:
        return
    }
  }

  #takeReceived(): number {
    const byte = this.#received.shift() ?? 0
    if (this.#received.length === 0) this.#set({ lsr: this.#state.lsr & ~Lsr.dataReady })
    this.#driveInterrupt()
    return byte
  }

  /** Reading IIR acknowledges "THR empty" if, and only if, that is what it shows. */
  #takeIdentification(): number {
    const shown = this.#identify()
    if (shown === Identification.transmitterEmpty) {
      this.#set({ transmitterPending: false })
      this.#driveInterrupt()
    }
    return shown | (this.#fifoOn() ? Identification.fifoOn : 0)
  }

  #takeLineStatus(): number {
    const shown = this.#state.lsr
    if ((shown & Lsr.overrun) !== 0) {
      this.#set({ lsr: shown & ~Lsr.overrun })
      this.#driveInterrupt()
    }
    return shown
  }

  #send(byte: number): void {
    // 1. The write acknowledges "THR empty". 2. The byte leaves. 3. THR is empty anew: a second driving of the wire.
    this.#set({ transmitterPending: false })
    this.#driveInterrupt()
    if ((this.#state.mcr & Mcr.loop) !== 0) this.receive(byte)
    else this.#wires.output(byte)
    this.#set({ transmitterPending: true })
    this.#driveInterrupt()
  }

  #enable(ier: number): void {
    const changed = ier ^ this.#state.ier
    if (changed === 0) return
    // THR is always empty between two stores, so enabling its interrupt raises it at once.
    const transmitterPending = (changed & Ier.transmitterEmpty) === 0 ? this.#state.transmitterPending : (ier & Ier.transmitterEmpty) !== 0
    this.#set({ ier, transmitterPending })
    this.#driveInterrupt()
  }

  #controlFifo(value: number): void {
    const toggled = ((value ^ this.#state.fcr) & Fcr.enable) !== 0
    if (toggled || (value & Fcr.clearReceive) !== 0) {
      this.#received = []
      this.#set({ lsr: this.#state.lsr & ~Lsr.dataReady })
    }
    if (toggled || (value & Fcr.clearTransmit) !== 0) this.#set({ transmitterPending: true })
    this.#set({ fcr: value & Fcr.kept })
    this.#driveInterrupt()
  }

  /** The highest of the enabled conditions, as IIR codes it. */
  #identify(): number {
    const { ier, lsr, transmitterPending } = this.#state
    if ((ier & Ier.lineStatus) !== 0 && (lsr & Lsr.overrun) !== 0) return Identification.lineStatus
    if ((ier & Ier.received) !== 0 && this.#received.length > 0) {
      // Below the trigger level the receiver times out: here at once, since bytes come when the host has them.
      return this.#received.length >= this.#trigger() ? Identification.received : Identification.timeout
    }
    if ((ier & Ier.transmitterEmpty) !== 0 && transmitterPending) return Identification.transmitterEmpty
    return Identification.none
  }

  #driveInterrupt(): void {
    this.#wires.interrupt(this.#identify() !== Identification.none)
  }

  #trigger(): number {
    return this.#fifoOn() ? (TRIGGER_BYTES[this.#state.fcr >> Fcr.triggerShift] ?? 1) : 1
  }

  #fifoOn(): boolean {
    return (this.#state.fcr & Fcr.enable) !== 0
  }

  #banks(): { dlab: boolean } {
    return { dlab: (this.#state.lcr & Lcr.divisorLatch) !== 0 }
  }

  #set(change: Partial<UartState>): void {
    this.#state = { ...this.#state, ...change }
  }
}
