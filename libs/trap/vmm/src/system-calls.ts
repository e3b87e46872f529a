/**
 * Follows the system calls of a guest by its exits: from the environment call of user mode to the next return to user mode on that vCPU.
 *
 * A call that sleeps is counted until its vCPU runs user code again, whoever's that is. In mode `assist` entry and return are no exits.
 */
import type { ServedCalls } from "@backplane/compute-contract/privileged"

export interface CallEvent {
  readonly vcpu: number
  readonly cause: string
  /** It went to the VMM; false for what was served beside the engine. */
  readonly exited: boolean
  /** The vCPU is in user mode now. */
  readonly user: boolean
}

export interface CallTotals {
  readonly calls: number
  /** Exits for entering the guest's handler, inside it, and for the return. */
  readonly entered: number
  readonly inside: number
  readonly returned: number
  /** Exits of one call. */
  readonly fewest: number
  readonly most: number
}

export class SystemCalls {
  /** By vCPU: exits of the call under way, and how many of them were its entry. */
  readonly #open = new Map<number, { exits: number; readonly entered: number }>()
  readonly #inside = new Map<string, number>()
  #calls = 0
  #entered = 0
  #insideTotal = 0
  #returned = 0
  #fewest = Infinity
  #most = 0

  see({ vcpu, cause, exited, user }: CallEvent): void {
    const one = exited ? 1 : 0
    if (cause === "ecall-from-user") {
      this.#open.set(vcpu, { exits: one, entered: one })
      return
    }
    const call = this.#open.get(vcpu)
    if (call === undefined) return
    call.exits += one
    if (cause === "return" && user) this.#close(vcpu, call, one)
    else if (exited) this.#inside.set(cause, (this.#inside.get(cause) ?? 0) + 1)
  }

  isOpen(vcpu: number): boolean {
    return this.#open.has(vcpu)
  }

  /**
   * What a vCPU's CPU served by itself since the last event. `inside`: exits in calls, by cause. `ends`: exits that entering a call is, and as many for the
   * return.
   */
  served(
    vcpu: number,
    { closedFirst, whole, open, exits }: ServedCalls,
    { inside, ends }: { readonly inside: readonly (readonly [cause: string, count: number])[]; readonly ends: 0 | 1 },
  ): void {
    for (const [cause, count] of inside) this.#inside.set(cause, (this.#inside.get(cause) ?? 0) + count)
    const before = this.#open.get(vcpu)
    if (closedFirst && before !== undefined) {
      before.exits += (exits?.closed ?? 0) + ends
      this.#close(vcpu, before, ends)
    } else if (before !== undefined && !open) before.exits += exits?.open ?? 0
    if (whole > 0) {
      this.#calls += whole
      this.#entered += whole * ends
      this.#returned += whole * ends
      this.#insideTotal += exits?.whole ?? 0
      this.#fewest = Math.min(this.#fewest, (exits?.fewest ?? 0) + 2 * ends)
      this.#most = Math.max(this.#most, (exits?.most ?? 0) + 2 * ends)
    }
    if (open) this.#open.set(vcpu, { exits: (exits?.open ?? 0) + ends, entered: ends })
  }

  totals(): CallTotals {
    return {
      calls: this.#calls,
      entered: this.#entered,
      inside: this.#insideTotal,
      returned: this.#returned,
      fewest: this.#calls === 0 ? 0 : this.#fewest,
      most: this.#most,
    }
  }

  /** Causes of the exits inside calls, those of calls under way included. */
  inside(): ReadonlyMap<string, number> {
    return this.#inside
  }

  #close(vcpu: number, call: { readonly exits: number; readonly entered: number }, returned: number): void {
    this.#open.delete(vcpu)
    this.#calls += 1
    this.#entered += call.entered
    this.#returned += returned
    this.#insideTotal += call.exits - call.entered - returned
    this.#fewest = Math.min(this.#fewest, call.exits)
    this.#most = Math.max(this.#most, call.exits)
  }
}
