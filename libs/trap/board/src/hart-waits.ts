/**
 * Which harts can execute now and until when the others wait: the same for harts of the native board and for vCPUs of a VM.
 *
 * Not here: whose turn it is, how time passes (board.ts, trap/vmm's vm.ts).
 */
import { Slot, type CsrFile } from "@backplane/trap-csr/csr-file"
import { wakes } from "@backplane/trap-csr/interrupts"
import type { Moment } from "@backplane/trap-csr/moment"
import type { HartState } from "@backplane/trap-sbi/sbi-numbers"

export interface WaitingHart {
  readonly index: number
  readonly file: CsrFile
  state: HartState
  waiting: boolean
  readonly resume: { readonly pc: bigint; readonly opaque: bigint } | null
  stuck(): boolean
  begin(from: { readonly pc: bigint; readonly opaque: bigint }): void
  deadline(machineTimer: bigint): bigint | null
}

export interface WaitingHartParts<H> {
  readonly harts: readonly H[]
  readonly moment: (hart: H) => Moment
  /** By hart: the levels of its interrupt wires, as bits of `mip`. */
  readonly lines: (index: number) => bigint
  /** By hart: `mtimecmp`. */
  readonly timer: (index: number) => bigint
}

export class HartWaits<H extends WaitingHart> {
  readonly #parts: WaitingHartParts<H>

  constructor(parts: WaitingHartParts<H>) {
    this.#parts = parts
  }

  readLines(hart: H): void {
    hart.file.set(Slot.lines, this.#parts.lines(hart.index))
  }

  /** Can it execute now, its lines being read? Ends its waiting when an interrupt says so. */
  ready(hart: H): boolean {
    if (hart.state === "stopped" || hart.stuck()) return false
    if (!hart.waiting) return true
    if (!wakes(hart.file, this.#parts.moment(hart))) return false
    hart.waiting = false
    hart.state = "started"
    if (hart.resume !== null) hart.begin(hart.resume)
    return true
  }

  /** As `ready`, of a hart whose lines may have changed. */
  couldRun(hart: H): boolean {
    this.readLines(hart)
    return this.ready(hart)
  }

  /** The `mtime` at which its timer rings; null where none is set. */
  deadlineOf(hart: H): bigint | null {
    return set(hart.deadline(this.#parts.timer(hart.index)))
  }

  /** The first at which one that waits goes on; null where only the outside can wake one. */
  firstDeadline(): bigint | null {
    let first: bigint | null = null
    for (const hart of this.#parts.harts) {
      if (!hart.waiting || hart.stuck()) continue
      const deadline = this.deadlineOf(hart)
      if (deadline !== null && (first === null || deadline < first)) first = deadline
    }
    return first
  }

  /** Nobody can go on and no timer is set: one waits for the outside, or why none ever will. */
  hold(): { readonly kind: "idle" } | { readonly kind: "stuck"; readonly hart: H | null } {
    const { harts } = this.#parts
    if (harts.some(({ waiting }) => waiting)) return { kind: "idle" }
    return { kind: "stuck", hart: harts.find((hart) => hart.stuck()) ?? null }
  }
}

function set(deadline: bigint | null): bigint | null {
  return deadline === NEVER ? null : deadline
}

/** `mtimecmp` and `stimecmp` after reset. */
const NEVER = 2n ** 64n - 1n
