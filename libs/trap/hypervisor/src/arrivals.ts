/** Jobs that keep coming, drawn from the machine's seed. */
import { Random } from "@backplane/foundation-base/random"
import type { JobSpec, MachineSpec } from "@backplane/scenario-machine/machine-spec"

/** Of a job that arrived; null: it is another task, such as a vCPU. */
export function numberOfArrival(name: string): number | null {
  const number = /^j(\d+)$/.exec(name)?.[1]
  return number === undefined ? null : Number(number)
}

export class Arrivals {
  readonly #spec: NonNullable<MachineSpec["arrivals"]>
  readonly #random: Random
  #made = 0

  constructor(spec: NonNullable<MachineSpec["arrivals"]>, seed: number, alreadyMade: number) {
    this.#spec = spec
    // A hypervisor that begins a new life goes on with other draws, so that no name and no job comes twice.
    this.#random = new Random(seed).fork(`arrivals/${alreadyMade}`)
    this.#made = alreadyMade
  }

  get isOver(): boolean {
    return this.#spec.total > 0 && this.#made >= this.#spec.total
  }

  get made(): number {
    return this.#made
  }

  /** Ticks until the next job: between half and one and a half times the mean. */
  gapTicks(): number {
    const { everyTicks } = this.#spec
    return Math.max(1, this.#random.between(Math.floor(everyTicks / 2), Math.ceil((3 * everyTicks) / 2)))
  }

  mayAdd(live: number): boolean {
    return !this.isOver && live < this.#spec.liveMax
  }

  next(tick: number): JobSpec {
    const { run, workingSet } = this.#spec
    return {
      name: `j${this.#made++}`, // see `numberOfArrival`; a form that listed jobs may not have: scenario/machine/resolve
      run: this.#random.between(run.least, run.most),
      workingSet: this.#random.between(workingSet.least, workingSet.most),
      affinity: [],
      restartable: true,
      arrival: tick,
    }
  }
}
