/** What the VMM answers to an exit: how the vCPU goes on, or what must happen first. */
import type { Moment } from "@backplane/trap-csr/moment"

/**
 * Who can handle an exit, machine.md, "Exits: resident or on the bus": R inside the node, B on the bus while the vCPU waits, A on the bus
 * while nobody waits.
 */
export type ExitClass = "R" | "B" | "A"

/** How the instruction that left is finished. */
export type Step =
  /** Not at all: it runs again, or there was none (budget, watch). */
  | { readonly kind: "retry" }
  /** It retires; `result` goes to its rd, `registers` to others (the answer of an SBI call). */
  | { readonly kind: "next"; readonly result: bigint | null; readonly registers: readonly RegisterWrite[] }
  /** It retires and goes on at `pc`: mret, sret. */
  | { readonly kind: "jump"; readonly pc: bigint }
  /** It does not retire: the guest's own handler goes on; `registers` are those that a refill of a software TLB changes. */
  | { readonly kind: "trap"; readonly pc: bigint; readonly registers: readonly RegisterWrite[] }
  | { readonly kind: "load"; readonly value: bigint }
  | { readonly kind: "store" }

export interface RegisterWrite {
  readonly register: number
  readonly value: bigint
}

export interface Entry {
  readonly kind: "entry"
  /** Under which name the exit is counted. */
  readonly cause: string
  readonly class: ExitClass
  readonly step: Step
}

/** The vCPU does not go on by itself. `step` is done first. */
export interface Request {
  readonly kind: "request"
  readonly cause: string
  readonly class: ExitClass
  readonly step: Step
  readonly wanted:
    /** wfi: give the CPU away until an interrupt is pending. */
    | { readonly kind: "wait" }
    /** A hypercall: give the CPU away for a turn, rather to the vCPU `to` than to another. */
    | { readonly kind: "yield"; readonly to: number | null }
    /** The guest ended its machine. `code` 0 is success. */
    | { readonly kind: "end"; readonly reason: "finisher" | "tohost" | "shutdown" | "reset"; readonly code: number }
}

/** What a handler may look at beside the vCPU's own state. */
export interface ExitView {
  readonly moment: Moment
  /** A general register of the vCPU as it was at the exit. */
  register(index: number): bigint
}

const RETRY: Step = { kind: "retry" }

export function retry(cause: string): Entry {
  return { kind: "entry", cause, class: "R", step: RETRY }
}

export function entry(cause: string, step: Step): Entry {
  return { kind: "entry", cause, class: "R", step }
}
