/** Ticks of the workload on the machine's clock: tick 0 begins after one tick's worth of cycles, when the jobs are in place. */
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Brand } from "@backplane/foundation-base/brand"
import type { MachineSpec } from "./machine-spec.ts"

/** Number of a tick: a whole number, at least 0. */
export type Tick = Brand<number, "Tick">

export class TickClock {
  readonly #cycles: number

  constructor(clock: MachineSpec["clock"]) {
    this.#cycles = clock.tickCycles
  }

  /** The first cycle of `tick`. */
  start(tick: number): VirtualTime {
    return virtualTime((tick + 1) * this.#cycles)
  }

  /** The tick that `time` lies in; −1 before the first. */
  tickAt(time: VirtualTime): Tick {
    return (Math.floor(time / this.#cycles) - 1) as Tick
  }
}
