/**
 * What the VMs of a node cost their host, in units of about one instruction of a guest: instructions, exits that the VMM answers, pages that go to the swap store
 * or come from it. Counted, never measured: equal runs cost the same on every host.
 *
 * It bounds one run of a vCPU (`Vm.runVcpu`), so that a node always comes to its other business. Not a model of the guest's time: costs.ts is.
 */
import type { WorkLimit } from "./vm-types.ts"

/** Some 1.2 µs at 300 MIPS (`bench exit`). */
export const EXIT_UNITS = 400
/** A hash, a look for an equal one, a write or a read of 4 KiB, and every way there taken away: 30 to 80 µs. */
export const PAGE_UNITS = 20_000
/** Every way to a page taken away. */
export const HIDE_UNITS = 400

export class WorkMeter {
  #beside = 0
  /** Of the run under way: where `#beside` ends. */
  #limit = Infinity

  exit(): void {
    this.#beside += EXIT_UNITS
  }

  page(): void {
    this.#beside += PAGE_UNITS
  }

  /** The ways to so many pages were taken away. */
  hidden(pages: number): void {
    this.#beside += pages * HIDE_UNITS
  }

  /** Besides instructions, since the beginning. */
  get beside(): number {
    return this.#beside
  }

  /** A run begins that may cost so much besides its instructions. */
  begin({ work = Infinity }: WorkLimit): void {
    this.#limit = this.#beside + work
  }

  get isSpent(): boolean {
    return this.#beside >= this.#limit
  }
}
