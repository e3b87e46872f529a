/**
 * What a device is to the board: registers behind offsets, and wires.
 *
 * A device knows neither its base address nor who asks: the address map does. Every offset and every width has an answer; what
 * the hardware leaves undefined reads as zero and ignores writes. Nothing here waits: time comes in through a `Clock`.
 */
export type Width = 1 | 2 | 4 | 8

export interface Device {
  /** Zero-extended from `width` bytes. `offset` lies inside the window, but `offset + width` may end beyond a register. */
  load(offset: number, width: Width): bigint
  store(offset: number, width: Width, value: bigint): void
}

/** A wire out of a device. Each call is one driving of the wire, also when the level is what it was: the PLIC counts on that. */
export type Wire = (level: boolean) => void

/** `mtime` of the machine in ticks of the timebase, as the board keeps it. Never goes back. */
export type Clock = () => bigint

/** The part of a 64-bit register that a load of `width` bytes at byte `at` (0…7) sees. */
export function slice(register: bigint, at: number, width: Width): bigint {
  return (register >> BigInt(at * 8)) & mask(width)
}

/** The register after a store of `width` bytes at byte `at`: bytes that the store does not reach stay. */
export function merge(register: bigint, { at, width, value }: { at: number; width: Width; value: bigint }): bigint {
  const field = mask(width) << BigInt(at * 8)
  const shifted = (value & mask(width)) << BigInt(at * 8)
  return BigInt.asUintN(64, (register & ~field) | shifted)
}

export function mask(width: Width): bigint {
  return (1n << BigInt(width * 8)) - 1n
}
