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

  /** What a vCPU's CPU served by itself since the last event: none of it is an exit. */
  served(vcpu: number, { closedFirst, whole, open }: ServedCalls): void {
    if (closedFirst) this.see({ vcpu, cause: "return", exited: false, user: true })
    if (whole > 0) {
      this.#calls += whole
      this.#fewest = 0
    }
    if (open) this.#open.set(vcpu, { exits: 0, entered: 0 })
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
