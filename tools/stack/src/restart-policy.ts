/**
 * When a process that died starts again. Pure: time comes in.
 *
 * The wait doubles from one death to the next and falls back once the process has stood long enough. Too many deaths in a
 * short time are a crash loop: starting again would only hide it.
 */

export interface RestartLimits {
  readonly firstDelayMs: number
  readonly delayMaxMs: number
  /** A process that ran this long counts as sound again. */
  readonly soundAfterMs: number
  /** So many deaths without a sound run between are a crash loop. */
  readonly deathsMax: number
}

export const RESTART_LIMITS: RestartLimits = { firstDelayMs: 100, delayMaxMs: 5_000, soundAfterMs: 10_000, deathsMax: 6 }

export type Verdict = { readonly kind: "restart"; readonly delayMs: number } | { readonly kind: "give-up"; readonly deaths: number }

export class RestartPolicy {
  readonly #limits: RestartLimits
  /** Deaths since the last sound run. */
  #deaths = 0

  constructor(limits: RestartLimits = RESTART_LIMITS) {
    this.#limits = limits
  }

  /** Somebody started it by hand: what was before does not count. */
  forgive(): void {
    this.#deaths = 0
  }

  /** A process died after `ranMs`. */
  onDeath(ranMs: number): Verdict {
    const { firstDelayMs, delayMaxMs, soundAfterMs, deathsMax } = this.#limits
    if (ranMs >= soundAfterMs) this.#deaths = 0
    this.#deaths++
    if (this.#deaths >= deathsMax) return { kind: "give-up", deaths: this.#deaths }
    return { kind: "restart", delayMs: Math.min(delayMaxMs, firstDelayMs * 2 ** (this.#deaths - 1)) }
  }
}
