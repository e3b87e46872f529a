/**
 * The virtual time of a queue: the mean, by weight, of the virtual times of those that compete.
 *
 * Invariant: sum of weight × (virtual time − V) over all that compete is 0: what some are owed, others had too much. Sums are kept
 * against a base near V, in whole numbers, so that the question "is it eligible" is answered without rounding.
 */
export class AverageClock {
  #base = 0
  /** Sum of weights. */
  #weight = 0
  /** Sum of weight × (virtual time − base). */
  #moment = 0

  get weight(): number {
    return this.#weight
  }

  /** V, rounded down. */
  get now(): number {
    return this.#weight === 0 ? this.#base : this.#base + Math.floor(this.#moment / this.#weight)
  }

  join(weight: number, at: number): void {
    if (this.#weight === 0) this.#base = at
    this.#weight += weight
    this.#moment += weight * (at - this.#base)
    this.#moveBase()
  }

  leave(weight: number, at: number): void {
    const last = this.now
    this.#weight -= weight
    this.#moment -= weight * (at - this.#base)
    // With nobody left the clock stands where it was.
    if (this.#weight === 0) this.#base = last
    this.#moveBase()
  }

  move(weight: number, by: number): void {
    this.#moment += weight * by
    this.#moveBase()
  }

  #moveBase(): void {
    if (this.#weight === 0) return void (this.#moment = 0)
    const by = Math.floor(this.#moment / this.#weight)
    this.#base += by
    this.#moment -= by * this.#weight
  }
}
