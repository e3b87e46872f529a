/** One hart of the native machine: its CSR file, whether it runs, and what the engine must be told when privileged state changes. */
import { assert } from "@backplane/foundation-base/assert"
import { newCsrFile, Slot, slotsOf } from "@backplane/trap-csr/csr-file"
import { supervisorTimerDeadline } from "@backplane/trap-csr/interrupts"
import { pmpRanges } from "@backplane/trap-csr/pmp"
import { saveInFrame, T5, T6 } from "@backplane/trap-csr/refill-frame"
import { SoftwareTlb } from "@backplane/trap-csr/software-tlb"
import { translateByTlb } from "@backplane/trap-csr/tlb-translation"
import { translationOf } from "@backplane/trap-csr/translation"
import { enterTrap } from "@backplane/trap-csr/trap"
import { MTIP } from "@backplane/trap-csr/causes"
import type { AccessKind, CpuState, Engine, EngineExit } from "@backplane/compute-contract/engine"
import type { PrivilegedCpus, Served, ServingHow } from "@backplane/compute-contract/privileged"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { PmpRange } from "@backplane/trap-csr/pmp"
import type { Trap } from "@backplane/trap-csr/trap"
import type { HartState } from "@backplane/trap-sbi/sbi-numbers"

/** Traps without one instruction retired between them, after which a hart will never get on. */
const TRAPS_IN_PLACE_MAX = 64
/** Traps without one return between them, after which the handler is taken to trap for ever, though it retires something each time. */
const TRAPS_NESTED_MAX = 65_536

export interface HartCapture {
  readonly cpu: CpuState
  /** The slots of the CSR file, in order. */
  readonly csrs: readonly bigint[]
  readonly state: HartState
  readonly waiting: boolean
  readonly resume: { readonly pc: bigint; readonly opaque: bigint } | null
  /** A run that goes on after a capture must not differ in one instruction: a broken reservation would. */
  readonly reservation: bigint | null
  readonly trapsInPlace: number
  readonly trapsNested: number
}

export interface HartOptions {
  readonly index: number
  readonly softwareTlb?: boolean
  readonly serving?: ServingHow | null
}

export class Hart {
  readonly index: number
  readonly file: CsrFile
  readonly #engine: Engine
  readonly #privileged: PrivilegedCpus | null
  /** As SBI's hart state management sees it; harts started in M-mode are always started. */
  state: HartState = "started"
  /** In wfi, or suspended. Ends when an enabled interrupt is pending. */
  waiting = false
  /** Where a hart suspended without retention begins anew; null to go on where it is. */
  resume: { readonly pc: bigint; readonly opaque: bigint } | null = null
  /** Reset by every retired instruction. I: at most TRAPS_IN_PLACE_MAX, where the hart counts as stuck. */
  #trapsInPlace = 0
  /** Reset by every mret and sret. I: at most TRAPS_NESTED_MAX, where the hart counts as stuck. */
  #trapsNested = 0
  #protection: readonly PmpRange[] = []

  /** `serving`: what its CPU carries out by itself, on an engine that can; null: nothing. */
  constructor(engine: Engine, { index, softwareTlb = false, serving = null }: HartOptions) {
    this.#engine = engine
    this.index = index
    this.#privileged = serving === null || softwareTlb ? null : engine.privileged
    this.file = newCsrFile(index, softwareTlb ? new SoftwareTlb() : null, this.#privileged?.words(index))
    this.#privileged?.serve(index, serving)
    this.refreshProtection()
  }

  /** Runs its CPU, which serves itself what it may. `pending`: as `mip` is for as long as this lasts. */
  run(budgetInstructions: number, pending: () => bigint): { readonly exit: EngineExit; readonly served: Served | null } {
    const { index } = this
    this.#privileged?.begin(index, { pending: pending(), trapsNested: this.#trapsNested, callOpen: false, fencesLeave: false })
    const exit = this.#engine.run(index, budgetInstructions)
    if (exit.retired > 0) this.retired()
    const served = this.#privileged?.take(index) ?? null
    if (served === null) return { exit, served }
    this.#trapsNested = served.trapsNested
    this.#trapsInPlace = served.trappedLast ? 1 : this.#trapsInPlace
    return { exit, served }
  }

  /** sfence.vma of one page, or of all. */
  fence(address: bigint | null): void {
    if (this.#privileged !== null) this.#privileged.fence(this.index, address ?? undefined)
    else this.#engine.flushTranslations(this.index, (this.file.tlb === null ? address : null) ?? undefined)
  }

  stuck(): boolean {
    return this.#trapsInPlace >= TRAPS_IN_PLACE_MAX || this.#trapsNested >= TRAPS_NESTED_MAX
  }

  retired(): void {
    this.#trapsInPlace = 0
  }

  /** An mret or sret went through. */
  returned(): void {
    this.#trapsNested = 0
  }

  trap(trap: Trap): void {
    this.#trapsInPlace += 1
    this.#trapsNested += 1
    this.#engine.writePc(this.index, enterTrap(this.file, trap))
    if (this.file.tlb !== null) this.#saveInFrame(trap)
    this.refreshTranslation()
  }

  /** The engine's look-up table has nothing for this access: null, and it has now, or the cause of an exception. */
  refill(address: bigint, access: AccessKind): number | null {
    assert(this.file.tlb !== null, "only a software TLB is refilled")
    const found = translateByTlb(this.file.tlb, translationOf(this.file), { address, access })
    if (found.kind === "fault") return found.cause
    const { page, read, write } = found
    const permissions = access === "fetch" ? { read: false, write: false, execute: true } : { read, write, execute: false }
    this.#engine.installTranslation(this.index, { virtualAddress: address, physicalAddress: page << PAGE_SHIFT, ...permissions })
    return null
  }

  /** After a write to the software TLB or a fence: the engine forgets what has gone. */
  refreshTlb(): void {
    const dropped = this.file.tlb?.takeDropped() ?? []
    if (dropped === "all" || dropped.some(({ pages }) => pages > 1)) return this.#engine.flushTranslations(this.index)
    for (const { address } of dropped) this.#engine.flushTranslations(this.index, address)
  }

  #saveInFrame(trap: Trap): void {
    const { engine, index } = { engine: this.#engine, index: this.index }
    const port = {
      isMemory: (address: bigint, bytes: number) => engine.isMemory(address, bytes),
      writeMemory: (address: bigint, data: Uint8Array) => engine.writeMemory(address, data),
      register: (register: number) => engine.readRegister(index, register),
    }
    const saved = saveInFrame(this.file, { trap, protection: this.#protection, port })
    if (saved === null) return
    engine.writeRegister(index, T5, saved.t5)
    engine.writeRegister(index, T6, saved.t6)
  }

  /** After any change of privilege, satp or the fields of mstatus that translation looks at. */
  refreshTranslation(): void {
    this.#engine.setTranslation(this.index, translationOf(this.file))
  }

  /** After a change of a PMP register. Without a matching region S and U get nothing. Privileged manual, "Priority and Matching Logic". */
  refreshProtection(): void {
    this.#protection = pmpRanges(this.file)
    this.#engine.setProtection(this.index, { regions: this.#protection, denyUnmatched: true })
  }

  /** Begins at `pc` in S-mode as SBI's hart start says: bare, interrupts off, number and `opaque` in a0 and a1. */
  begin({ pc, opaque }: { readonly pc: bigint; readonly opaque: bigint }): void {
    this.state = "started"
    this.waiting = false
    this.resume = null
    this.#trapsInPlace = 0
    this.#trapsNested = 0
    this.file.set(Slot.satp, 0n)
    this.file.set(Slot.privilege, 1n)
    this.file.set(Slot.mstatus, this.file.get(Slot.mstatus) & ~2n) // SIE
    this.#engine.writeRegister(this.index, 10, BigInt(this.index))
    this.#engine.writeRegister(this.index, 11, opaque)
    this.#engine.writePc(this.index, pc)
    this.refreshTranslation()
  }

  /** The `mtime` at which an enabled timer of this hart will ring, or null. */
  deadline(machineTimer: bigint): bigint | null {
    const supervisor = supervisorTimerDeadline(this.file)
    const machine = (this.file.get(Slot.mie) & MTIP) === 0n ? null : machineTimer
    if (supervisor === null || machine === null) return supervisor ?? machine
    return supervisor < machine ? supervisor : machine
  }

  capture(): HartCapture {
    const csrs = Array.from({ length: slotsOf(this.file) }, (_, slot) => this.file.get(slot))
    return {
      cpu: this.#engine.captureCpu(this.index),
      csrs,
      state: this.state,
      waiting: this.waiting,
      resume: this.resume,
      reservation: this.#engine.readReservation(this.index),
      trapsInPlace: this.#trapsInPlace,
      trapsNested: this.#trapsNested,
    }
  }

  restore(capture: HartCapture): void {
    capture.csrs.forEach((value, slot) => this.file.set(slot, value))
    this.#engine.restoreCpu(this.index, capture.cpu)
    this.state = capture.state
    this.waiting = capture.waiting
    this.resume = capture.resume
    this.#trapsInPlace = capture.trapsInPlace
    this.#trapsNested = capture.trapsNested
    if (capture.reservation !== null) this.#engine.writeReservation(this.index, capture.reservation)
    this.refreshProtection()
    this.refreshTranslation()
    this.refreshTlb()
  }
}

const PAGE_SHIFT = 12n
