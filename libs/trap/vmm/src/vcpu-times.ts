/**
 * The times of vCPUs that are scheduled one by one, in units of instructions: each has its own, and the VM's clock is that of the furthest.
 *
 * Two vCPUs side by side on two CPUs make the clock go as fast as one alone; one that was off its CPU catches up while the clock stands.
 * So a guest sees one clock that never goes back, and a VM with one vCPU sees exactly the clock of its own turns.
 * T1: no vCPU is ahead of the clock.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import type { MachineClock } from "@backplane/trap-board/machine-clock"

export class VcpuTimes {
  readonly #clock: MachineClock
  readonly #units: number[]
  /** vCPUs that were last said to wait. */
  readonly #resting = new Set<number>()

  constructor(clock: MachineClock, vcpus: number) {
    this.#clock = clock
    this.#units = new Array<number>(vcpus).fill(0)
  }

  of(vcpu: number): number {
    return defined(this.#units[vcpu], "the vCPU exists")
  }

  /** How far the vCPU may run before the clock moves. */
  lag(vcpu: number): number {
    const lag = this.#clock.passed() - this.of(vcpu)
    assert(lag >= 0, "T1: no vCPU is ahead of the clock")
    return lag
  }

  /** It has executed so many instructions. */
  run(vcpu: number, units: number): void {
    this.#units[vcpu] = this.of(vcpu) + units
    this.#catchUp(vcpu)
  }

  /** It is said to wait from now on, so many units until its timer rings. */
  beginRest(vcpu: number, units: number | null): { readonly kind: "waiting"; readonly units: number | null } {
    this.#rest(vcpu, 0)
    this.#resting.add(vcpu)
    return { kind: "waiting", units }
  }

  /** So much has passed since it was said to wait; not more than until its timer. */
  endRest(vcpu: number, waited: number, unitsToTimer: () => number | null): void {
    if (!this.#resting.delete(vcpu)) return
    const units = unitsToTimer()
    this.#rest(vcpu, units === null ? waited : Math.min(waited, this.lag(vcpu) + units))
  }

  /** By another clock so much has passed, whoever ran: it is no longer behind that. */
  keepUp(vcpu: number, units: number): void {
    this.#resting.delete(vcpu)
    this.#units[vcpu] = Math.max(this.of(vcpu), units)
    this.#catchUp(vcpu)
  }

  /** The same of the clock, whoever is behind. */
  reach(units: number): void {
    const ahead = units - this.#clock.passed()
    if (ahead > 0) this.#clock.pass(ahead)
  }

  isResting(vcpu: number): boolean {
    return this.#resting.has(vcpu)
  }

  /** As it was in the VM that this one goes on for. */
  restore(vcpu: number, { units, resting }: { readonly units: number; readonly resting: boolean }): void {
    this.#units[vcpu] = units
    if (resting) this.#resting.add(vcpu)
    assert(this.lag(vcpu) >= 0, "T1: no vCPU is ahead of the clock")
  }

  /** Who waits does not fall behind. */
  #rest(vcpu: number, units: number): void {
    this.#units[vcpu] = Math.max(this.#clock.passed(), this.of(vcpu) + units)
    this.#catchUp(vcpu)
  }

  #catchUp(vcpu: number): void {
    const ahead = this.of(vcpu) - this.#clock.passed()
    if (ahead > 0) this.#clock.pass(ahead)
  }
}
