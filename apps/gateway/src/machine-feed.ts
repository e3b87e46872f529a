/**
 * The state of all machines, asked once for everyone who looks: a browser more costs the machine nothing.
 *
 * Asks only while somebody watches. A watcher that is slow misses states, never queues them: what it gets is always the newest.
 */
import type { Json } from "@backplane/foundation-base/json"

export type MachinesNow = () => Promise<Json>

export interface Watcher {
  /** Takes the newest state; settles when it may take another. */
  take(state: string): Promise<void>
}

export interface FeedOptions {
  readonly look: MachinesNow
  readonly everyMilliseconds: number
  readonly watchersMax: number
}

interface Seat {
  readonly watcher: Watcher
  busy: boolean
}

export class MachineFeed {
  readonly #options: FeedOptions
  readonly #seats = new Set<Seat>()
  #timer: NodeJS.Timeout | null = null
  #looking = false
  /** What was said last: a newcomer need not wait for the next look. */
  #last: string | null = null

  constructor(options: FeedOptions) {
    this.#options = options
  }

  get watchers(): number {
    return this.#seats.size
  }

  /** Null when there are too many; else call what is returned to leave. */
  watch(watcher: Watcher): (() => void) | null {
    if (this.#seats.size >= this.#options.watchersMax) return null
    const seat: Seat = { watcher, busy: false }
    this.#seats.add(seat)
    if (this.#last !== null) this.#give(seat, this.#last)
    this.#timer ??= setInterval(() => void this.#look(), this.#options.everyMilliseconds)
    return () => this.#leave(seat)
  }

  #leave(seat: Seat): void {
    this.#seats.delete(seat)
    if (this.#seats.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
    this.#last = null
  }

  async #look(): Promise<void> {
    // A machine that answers slowly is asked less often, never more.
    if (this.#looking) return
    this.#looking = true
    try {
      this.#last = JSON.stringify(await this.#options.look())
    } catch (error) {
      this.#last = JSON.stringify({ failed: error instanceof Error ? error.message : String(error) })
    } finally {
      this.#looking = false
    }
    for (const seat of this.#seats) this.#give(seat, this.#last)
  }

  #give(seat: Seat, state: string): void {
    if (seat.busy) return
    seat.busy = true
    const free = (): void => {
      seat.busy = false
    }
    seat.watcher.take(state).then(free, () => this.#leave(seat))
  }
}
