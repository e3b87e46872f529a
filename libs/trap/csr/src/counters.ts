/**
 * `mcycle`, `minstret` and `mcountinhibit`: counters kept as a base that is added to the engine's count of retired instructions.
 *
 * Functional fidelity: one instruction is one cycle. The event counters 3…31 are read-only zero (csr-table.ts).
 */
import { Slot, type CsrFile } from "./csr-file.ts"
import type { Moment } from "./moment.ts"

export const INHIBIT_CYCLE = 1n
export const INHIBIT_INSTRET = 4n
const MASK_64 = 0xffff_ffff_ffff_ffffn

export interface Counter {
  readonly slot: number
  readonly inhibit: bigint
}

export const CYCLE: Counter = { slot: Slot.cycleBase, inhibit: INHIBIT_CYCLE }
export const INSTRET: Counter = { slot: Slot.instretBase, inhibit: INHIBIT_INSTRET }

export function readCounter(file: CsrFile, counter: Counter, moment: Moment): bigint {
  const base = file.get(counter.slot)
  const frozen = (file.get(Slot.mcountinhibit) & counter.inhibit) !== 0n
  return frozen ? base : (base + moment.instret) & MASK_64
}

/**
 * The written value is what the *next* instruction reads: the increment of the writing instruction itself is suppressed
 * (unprivileged manual, Zicntr), hence the `+ 1`.
 */
export function writeCounter(file: CsrFile, counter: Counter, value: bigint, moment: Moment): void {
  const frozen = (file.get(Slot.mcountinhibit) & counter.inhibit) !== 0n
  file.set(counter.slot, frozen ? value : (value - moment.instret - 1n) & MASK_64)
}

/** Freezing or thawing a counter keeps the value that it shows at this moment. */
export function writeInhibit(file: CsrFile, value: bigint, moment: Moment): void {
  const wanted = value & (INHIBIT_CYCLE | INHIBIT_INSTRET)
  const shown = [CYCLE, INSTRET].map((counter) => ({ counter, count: readCounter(file, counter, moment) }))
  const old = file.get(Slot.mcountinhibit)
  file.set(Slot.mcountinhibit, wanted)
  for (const { counter, count } of shown) {
    if (((old ^ wanted) & counter.inhibit) !== 0n) writeCounter(file, counter, count, moment)
  }
}
