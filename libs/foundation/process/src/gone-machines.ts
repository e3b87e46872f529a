/**
 * Machines that this process hosts no more. What was counted of one is told for a while yet, so that its last numbers get to those who read
 * them; then it must be forgotten: a process that hosts machine after machine would tell of all that there ever were, until none has room.
 */

/** Longer than any interval at which metrics are exported or scraped. */
const TOLD_MILLISECONDS = 60_000

export class GoneMachines {
  /** By machine: when it was hosted last. */
  readonly #hosted = new Map<string, number>()

  /** Call it now and then with the machines that are hosted now. Returns those that are to be forgotten, each once. */
  update(hosted: Iterable<string>, nowMilliseconds: number): readonly string[] {
    for (const machine of hosted) this.#hosted.set(machine, nowMilliseconds)
    const gone = [...this.#hosted].flatMap(([machine, since]) => (nowMilliseconds - since > TOLD_MILLISECONDS ? [machine] : []))
    for (const machine of gone) this.#hosted.delete(machine)
    return gone
  }
}
