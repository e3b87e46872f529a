/** The forms that an answer takes, and the checks that several extensions share. */
import { SbiError } from "./sbi-numbers.ts"
import type { SbiAnswer, SbiCall, SbiEffect, SbiView } from "./sbi-types.ts"

const EVERY_HART = 0xffff_ffff_ffff_ffffn
const MASK_BITS = 64

export function done(...effects: readonly SbiEffect[]): SbiAnswer {
  return { error: SbiError.success, value: 0n, effects }
}

export function result(value: bigint, ...effects: readonly SbiEffect[]): SbiAnswer {
  return { error: SbiError.success, value, effects }
}

export function refused(error: bigint): SbiAnswer {
  return { error, value: 0n, effects: [] }
}

export function argument(call: SbiCall, index: number): bigint {
  return call.arguments[index] ?? 0n
}

/** A hart mask with its base; a base of all ones means every hart. Null if it names a hart that does not exist. */
export function maskedHarts(view: SbiView, { mask, base }: { mask: bigint; base: bigint }): readonly number[] | null {
  if (base === EVERY_HART) return view.harts.map((_state, hart) => hart)
  const chosen: number[] = []
  for (let bit = 0; bit < MASK_BITS; bit += 1) {
    if (((mask >> BigInt(bit)) & 1n) === 0n) continue
    const hart = base + BigInt(bit)
    if (hart >= BigInt(view.harts.length)) return null
    chosen.push(Number(hart))
  }
  return chosen
}

export function insideMemory(view: SbiView, { from, bytes }: { from: bigint; bytes: bigint }): boolean {
  return from >= view.memory.from && bytes <= view.memory.bytes && from - view.memory.from <= view.memory.bytes - bytes
}
