/**
 * CLINT: software interrupts, timer comparison and `mtime`. The essay is README.md of this folder.
 */
import { merge, slice, type Clock, type Device, type Width } from "../device.ts"

const MSIP = 0x0
const MTIMECMP = 0x4000
const MTIME = 0xbff8
const MSIP_BYTES = 4
const MTIMECMP_BYTES = 8
const NEVER = 0xffff_ffff_ffff_ffffn

export interface ClintState {
  readonly software: readonly boolean[]
  readonly compare: readonly bigint[]
  /** `mtime` minus the clock, modulo 2^64: changes only when software writes `mtime`. */
  readonly shift: bigint
}

export interface ClintWires {
  readonly clock: Clock
  /** A level of some hart may have changed: the board reads `softwarePending` and `timerPending` again. */
  readonly changed: (hart: number) => void
}

export function clintReset(harts: number): ClintState {
  return { software: new Array<boolean>(harts).fill(false), compare: new Array<bigint>(harts).fill(NEVER), shift: 0n }
}

export class Clint implements Device {
  readonly #wires: ClintWires
  #state: ClintState

  constructor(wires: ClintWires, state: ClintState) {
    this.#wires = wires
    this.#state = state
  }

  capture(): ClintState {
    return this.#state
  }

  time(): bigint {
    return BigInt.asUintN(64, this.#wires.clock() + this.#state.shift)
  }

  softwarePending(hart: number): boolean {
    return this.#state.software[hart] ?? false
  }

  timerPending(hart: number): boolean {
    const deadline = this.deadline(hart)
    // The far end of time is not looked at: reading the clock costs more than all the rest.
    return deadline !== NEVER && this.time() >= deadline
  }

  /** The `mtime` at which this hart's timer rings. */
  deadline(hart: number): bigint {
    return this.#state.compare[hart] ?? NEVER
  }

  load(offset: number, width: Width): bigint {
    // A load across the end of a double word sees zeros beyond it.
    return slice(this.#doubleWord(offset - (offset % 8)), offset % 8, width)
  }

  store(offset: number, width: Width, value: bigint): void {
    const base = offset - (offset % 8)
    this.#storeDoubleWord(base, merge(this.#doubleWord(base), { at: offset % 8, width, value }))
  }

  /** The registers as 64-bit words: two `msip`, one `mtimecmp`, or `mtime`. */
  #doubleWord(base: number): bigint {
    if (base === MTIME) return this.time()
    const compare = this.#state.compare[(base - MTIMECMP) / MTIMECMP_BYTES]
    if (base >= MTIMECMP && compare !== undefined) return compare
    if (base >= MTIMECMP) return 0n
    const first = (base - MSIP) / MSIP_BYTES
    return (this.softwarePending(first) ? 1n : 0n) | (this.softwarePending(first + 1) ? 1n << 32n : 0n)
  }

  #storeDoubleWord(base: number, value: bigint): void {
    if (base === MTIME) return this.#setTime(value)
    if (base >= MTIMECMP) return this.#setCompare((base - MTIMECMP) / MTIMECMP_BYTES, value)
    const first = (base - MSIP) / MSIP_BYTES
    this.#setSoftware(first, (value & 1n) !== 0n)
    this.#setSoftware(first + 1, ((value >> 32n) & 1n) !== 0n)
  }

  #setSoftware(hart: number, level: boolean): void {
    if (hart >= this.#state.software.length || this.softwarePending(hart) === level) return
    this.#state = { ...this.#state, software: this.#state.software.with(hart, level) }
    this.#wires.changed(hart)
  }

  #setCompare(hart: number, value: bigint): void {
    if (hart >= this.#state.compare.length) return
    this.#state = { ...this.#state, compare: this.#state.compare.with(hart, value) }
    this.#wires.changed(hart)
  }

  #setTime(value: bigint): void {
    this.#state = { ...this.#state, shift: BigInt.asUintN(64, value - this.#wires.clock()) }
    this.#state.compare.forEach((_compare, hart) => this.#wires.changed(hart))
  }
}
