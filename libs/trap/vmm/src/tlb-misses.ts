/**
 * Follows the TLB misses of a guest with a software TLB by its exits: from the miss to the return of the handler, as OSTEP's tables B.4 and
 * B.5 have it. A handler that finds no page goes on as a page fault: its miss is counted apart.
 */
export interface MissEvent {
  readonly vcpu: number
  readonly cause: string
  readonly exited: boolean
}

export interface MissTotals {
  /** Misses that the guest's handler served. */
  readonly misses: number
  /** Misses that the VMM's second level served: one exit each. */
  readonly remembered: number
  /** Misses whose page was not there. */
  readonly pageFaults: number
  /** Exits for the miss itself, for updates of the TLB, for other privileged instructions of the handler, and for the return. */
  readonly entered: number
  readonly updated: number
  readonly inside: number
  readonly returned: number
  /** Exits of one miss that the handler served. */
  readonly fewest: number
  readonly most: number
}

interface OpenMiss {
  exits: number
  readonly entered: number
  updated: number
  inside: number
}

const REFILLS: ReadonlySet<string> = new Set(["tlb-refill-fetch", "tlb-refill-load", "tlb-refill-store"])

export class TlbMisses {
  readonly #open = new Map<number, OpenMiss>()
  #misses = 0
  #remembered = 0
  #pageFaults = 0
  #entered = 0
  #updated = 0
  #inside = 0
  #returned = 0
  #fewest = Infinity
  #most = 0

  see({ vcpu, cause, exited }: MissEvent): void {
    const one = exited ? 1 : 0
    if (cause === "tlb-second-level") this.#remembered += 1
    else if (REFILLS.has(cause)) this.#begin(vcpu, one)
    else {
      const miss = this.#open.get(vcpu)
      if (miss !== undefined) this.#goOn(vcpu, miss, { cause, one })
    }
  }

  totals(): MissTotals {
    return {
      misses: this.#misses,
      remembered: this.#remembered,
      pageFaults: this.#pageFaults,
      entered: this.#entered,
      updated: this.#updated,
      inside: this.#inside,
      returned: this.#returned,
      fewest: this.#misses === 0 ? 0 : this.#fewest,
      most: this.#most,
    }
  }

  #begin(vcpu: number, entered: number): void {
    this.#open.set(vcpu, { exits: entered, entered, updated: 0, inside: 0 })
  }

  #goOn(vcpu: number, miss: OpenMiss, { cause, one }: { readonly cause: string; readonly one: number }): void {
    miss.exits += one
    if (cause === "tlb-write") miss.updated += 1
    else if (cause === "return") this.#close(vcpu, miss, one)
    else if (one === 1) miss.inside += 1
  }

  #close(vcpu: number, miss: OpenMiss, returned: number): void {
    this.#open.delete(vcpu)
    // The handler did not write the TLB: it found no page, and the kernel mended that.
    if (miss.updated === 0) {
      this.#pageFaults += 1
      return
    }
    this.#misses += 1
    this.#entered += miss.entered
    this.#updated += miss.updated
    this.#inside += miss.inside
    this.#returned += returned
    this.#fewest = Math.min(this.#fewest, miss.exits)
    this.#most = Math.max(this.#most, miss.exits)
  }
}
