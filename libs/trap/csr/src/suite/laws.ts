/**
 * What a law is, and the handful of steps that laws are written in.
 *
 * A law takes the model as a record of functions, so that a broken variant can be put in its place: a law that no planted bug
 * ever breaks is not trusted. Also usable for any other implementation of the privileged architecture, such as the VMM's.
 */
import { CSR_TABLE } from "../csr-table.ts"
import { newCsrFile, Slot, slotsOf, type CsrFile } from "../csr-file.ts"
import { SoftwareTlb } from "../software-tlb.ts"
import type { executeSystem, SystemOutcome } from "../execute-system.ts"
import type { interruptToTake } from "../interrupts.ts"
import type { Moment } from "../moment.ts"
import type { Privilege } from "../privilege.ts"
import type { enterTrap } from "../trap.ts"
import { csrWord, X0, X5, X6 } from "./encode.ts"

export interface PrivilegedModel {
  readonly execute: typeof executeSystem
  readonly enter: typeof enterTrap
  readonly interrupt: typeof interruptToTake
}

export interface Law {
  readonly name: string
  /** What was seen instead, or null. */
  readonly broken: (model: PrivilegedModel) => string | null
}

export const START: Moment = { instret: 100n, time: 1000n }
export const HERE = 0x8000_1000n
export const HANDLER = 0x8000_4000n

/** A hart with every extension in the given mode, with handlers set; everything else as after reset. */
export function hartIn(privilege: Privilege): CsrFile {
  const file = newCsrFile(0, new SoftwareTlb())
  file.set(Slot.privilege, BigInt(privilege))
  file.set(Slot.mtvec, HANDLER)
  file.set(Slot.stvec, HANDLER + 0x100n)
  return file
}

export function numberOf(name: string): number {
  const row = CSR_TABLE.find((candidate) => candidate.name === name)
  return row?.number ?? -1
}

export function run(model: PrivilegedModel, file: CsrFile, word: number, rs1 = 0n): SystemOutcome {
  return model.execute(file, { word, pc: HERE, rs1, rs2: 0n }, START)
}

/** `csrrw x0, name, value`. */
export function put(model: PrivilegedModel, file: CsrFile, name: string, value: bigint): SystemOutcome {
  return run(model, file, csrWord("csrrw", { rd: X0, csr: numberOf(name), source: X6 }), value)
}

/** `csrrs x5, name, x0`, or -1 if that is illegal. */
export function look(model: PrivilegedModel, file: CsrFile, name: string): bigint {
  const outcome = run(model, file, csrWord("csrrs", { rd: X5, csr: numberOf(name), source: X0 }))
  return outcome.kind === "next" ? (outcome.value ?? -1n) : -1n
}

export function isIllegal(outcome: SystemOutcome): boolean {
  return outcome.kind === "exception" && outcome.cause === 2
}

/** The slots, to compare before and after. */
export function contents(file: CsrFile): string {
  return Array.from({ length: slotsOf(file) }, (_, slot) => file.get(slot).toString(16)).join(",")
}

/** Says what differs, or nothing. */
export function differs(what: string, seen: unknown, wanted: unknown): string | null {
  return seen === wanted ? null : `${what}: ${String(seen)}, not ${String(wanted)}`
}

export function firstOf(...findings: readonly (string | null)[]): string | null {
  return findings.find((finding) => finding !== null) ?? null
}
