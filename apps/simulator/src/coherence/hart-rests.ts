/**
 * Harts that go round and find nothing to do: they rest instead, so that they do not pull pages from nodes that work.
 *
 * Two ways to tell. *Proof*: pc and registers came back and nothing was written between (the engine's `findRound`), as in a spin lock that is
 * taken: the hart goes on when another hart of the node has run, or when a page has left the node, since nobody else can have written. Who held
 * the lock took that page to work with it: the hart asks for it again after a while only, twice as long each time (as spin locks back off).
 * *Guess*: the hart turned interrupts on where it did before, with the same registers, and was in no user program between: a kernel's idle loop
 * without wfi; it goes on after `restCycles`. Either ends with an interrupt. The guest cannot tell: it was slow for a moment.
 */
interface Rest {
  readonly how: "proof" | "guess"
  until: number
}

/** Quanta without a round between two looks, at most: a look is a fifth of what a quantum costs. */
const QUANTA_BETWEEN_MAX = 16

interface Watch {
  /** Quanta until the next look, and the one after. */
  left: number
  next: number
  /** How long it waits when the page of its lock is taken. */
  backOff: number
}

export class HartRests {
  readonly #restCycles: number
  readonly #backOffCycles: number
  readonly #rests: (Rest | null)[]
  readonly #watches: readonly Watch[]

  /** `restCycles` of zero: nobody rests. `backOffCycles`: what a page is kept for where it is taken. */
  constructor(harts: number, { restCycles, backOffCycles }: { readonly restCycles: number; readonly backOffCycles: number }) {
    this.#restCycles = restCycles
    this.#backOffCycles = backOffCycles
    this.#rests = new Array<null>(harts).fill(null)
    this.#watches = Array.from({ length: harts }, () => ({ left: 1, next: 1, backOff: backOffCycles }))
  }

  /** It ran for a quantum without leaving its kernel: is it time to see whether it goes round? */
  isTimeToLook(hart: number): boolean {
    const watch = this.#watches[hart]
    if (this.#restCycles === 0 || watch === undefined) return false
    watch.left -= 1
    return watch.left <= 0
  }

  /** What was seen. */
  looked(hart: number, round: boolean, now: number): void {
    const watch = this.#watches[hart]
    if (watch === undefined) return
    watch.next = round ? 1 : Math.min(QUANTA_BETWEEN_MAX, 2 * watch.next)
    watch.left = watch.next
    if (round) this.#begin(hart, "proof", now)
    else watch.backOff = this.#backOffCycles
  }

  /** It asked for a page: a lock may be in it. */
  disturbed(hart: number): void {
    const watch = this.#watches[hart]
    if (watch === undefined) return
    watch.next = 1
    watch.left = 1
  }

  cameBack(hart: number, now: number): void {
    this.#begin(hart, "guess", now)
  }

  #begin(hart: number, how: Rest["how"], now: number): void {
    if (this.#restCycles > 0) this.#rests[hart] = { how, until: now + this.#restCycles }
  }

  /** Does it rest? `interrupted`: an interrupt is due to be taken. */
  rests(hart: number, { now, interrupted }: { readonly now: number; readonly interrupted: () => boolean }): boolean {
    const rest = this.#rests[hart] ?? null
    if (rest === null) return false
    if (now < rest.until && !interrupted()) return true
    this.#rests[hart] = null
    return false
  }

  /** When it goes on by itself; null: it does not rest. */
  until(hart: number): number | null {
    return this.#rests[hart]?.until ?? null
  }

  /** This hart has run, or a device has written: memory may be another than it was. */
  written(by: number | null): void {
    this.#rests.forEach((rest, hart) => {
      if (rest?.how === "proof" && hart !== by) this.#rests[hart] = null
    })
  }

  /** A page has left the node: it may be that of a lock that is waited for. */
  left(now: number): void {
    this.#rests.forEach((rest, hart) => {
      const watch = this.#watches[hart]
      if (rest?.how !== "proof" || watch === undefined) return
      const until = now + watch.backOff
      if (until >= rest.until) return
      rest.until = until
      watch.backOff = Math.min(this.#restCycles, 2 * watch.backOff)
    })
  }
}
