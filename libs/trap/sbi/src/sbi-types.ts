/**
 * What goes into an SBI call and what comes out: the answer for a0 and a1, and effects that the board carries out in order.
 */
import type { HartState } from "./sbi-numbers.ts"

export interface SbiCall {
  /** The calling hart. */
  readonly hart: number
  /** a7. */
  readonly extension: bigint
  /** a6; the legacy extensions have none. */
  readonly function: bigint
  /** a0…a5. */
  readonly arguments: readonly bigint[]
}

/** What the model may look at. */
export interface SbiView {
  /** By hart number. */
  readonly harts: readonly HartState[]
  readonly memory: { readonly from: bigint; readonly bytes: bigint }
  /** Console bytes that wait, oldest first. */
  readonly input: readonly number[]
}

export type SbiEffect =
  /** STIP of the hart falls, and rises when `mtime` reaches the deadline. */
  | { readonly kind: "set-timer"; readonly hart: number; readonly deadline: bigint }
  | { readonly kind: "raise-software"; readonly harts: readonly number[] }
  | { readonly kind: "clear-software"; readonly hart: number }
  | { readonly kind: "fence-instructions"; readonly harts: readonly number[] }
  /** Drop translations of all addresses, or of the range; of all address spaces, or of one. */
  | {
      readonly kind: "fence-translations"
      readonly harts: readonly number[]
      readonly range: AddressRange | null
      readonly addressSpace: bigint | null
    }
  /** The hart begins in S-mode at `pc`, bare, interrupts off, its number in a0 and `opaque` in a1. */
  | { readonly kind: "start"; readonly hart: number; readonly pc: bigint; readonly opaque: bigint }
  | { readonly kind: "stop"; readonly hart: number }
  /** Waits as `wfi` does. `resume` null: go on after the call; else begin there as `start` does. */
  | { readonly kind: "suspend"; readonly hart: number; readonly resume: { readonly pc: bigint; readonly opaque: bigint } | null }
  | { readonly kind: "shutdown"; readonly outcome: "success" | "failure" }
  | { readonly kind: "reset" }
  | { readonly kind: "console-byte"; readonly byte: number }
  /** Sends bytes of physical memory to the console. */
  | { readonly kind: "console-write"; readonly address: bigint; readonly bytes: number }
  /** Removes that many bytes of console input. */
  | { readonly kind: "consume-input"; readonly bytes: number }
  | { readonly kind: "write-memory"; readonly address: bigint; readonly data: readonly number[] }

export interface AddressRange {
  readonly from: bigint
  readonly bytes: bigint
}

export interface SbiAnswer {
  /** For a0. */
  readonly error: bigint
  /** For a1; null leaves it alone (legacy calls). */
  readonly value: bigint | null
  readonly effects: readonly SbiEffect[]
}

export type SbiHandler = (call: SbiCall, view: SbiView) => SbiAnswer
