/** Virtual time: cycles since the machine was made. The only clock a machine ever sees. */
import { assert } from "@backplane/foundation-base/assert"
import type { Brand } from "@backplane/foundation-base/brand"

/** Cycles, a whole number, at least 0. */
export type VirtualTime = Brand<number, "VirtualTimeCycles">

export const TIME_ZERO = 0 as VirtualTime

export function virtualTime(cycles: number): VirtualTime {
  assert(Number.isSafeInteger(cycles) && cycles >= 0, "virtual time is a whole number of cycles")
  return cycles as VirtualTime
}

export function after(time: VirtualTime, cycles: number): VirtualTime {
  return virtualTime(time + cycles)
}
