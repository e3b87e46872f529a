/**
 * One vCPU: the virtual privileged state of a guest's hart, whether it runs, its translation, and where its registers lie.
 *
 * General registers and pc lie in the engine while the vCPU is on a CPU, and in `saved` otherwise (machine-switch.ts). So does its CSR file
 * where its CPU serves itself (`serving`); else it is here: physically all of the guest runs at user level.
 */
import { assert } from "@backplane/foundation-base/assert"
import { resetCsrFile, Slot, SLOTS, ViewCsrFile } from "@backplane/trap-csr/csr-file"
import { SoftwareTlb } from "@backplane/trap-csr/software-tlb"
import { supervisorTimerDeadline } from "@backplane/trap-csr/interrupts"
import { MTIP } from "@backplane/trap-csr/causes"
import type { CpuState } from "@backplane/compute-contract/engine"
import type { Served, ServingHow } from "@backplane/compute-contract/privileged"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { HartState } from "@backplane/trap-sbi/sbi-numbers"
import type { GuestMmu } from "./guest-mmu.ts"

/** As the board says it (hart.ts): traps without an instruction between, and without a return between, after which nothing will come. */
const TRAPS_IN_PLACE_MAX = 64
const TRAPS_NESTED_MAX = 65_536
/** Translations filled without an instruction between, after which the instruction can not be served: its fetch and its data exclude each other. */
const FILLS_IN_PLACE_MAX = 64
const REGISTERS = 32

export class Vcpu {
  readonly index: number
  readonly vm: number
  readonly file: CsrFile
  /** What its CPU carries out without the VMM; null: nothing. */
  readonly serving: ServingHow | null
  state: HartState = "started"
  /** In wfi, or suspended. Ends when an enabled interrupt is pending. */
  waiting = false
  /** Where it begins anew after a suspension without retention; null to go on where it is. */
  resume: { readonly pc: bigint; readonly opaque: bigint } | null = null
  /** The CPU that holds its registers, or null: then `saved` does. I5: of the two exactly one is right. */
  cpu: number | null = null
  saved: CpuState = { registers: new Array<bigint>(REGISTERS).fill(0n), pc: 0n, instret: 0n }
  /** Instructions retired since boot: the same as `instret`, as a number. */
  #executed = 0
  #trapsInPlace = 0
  #trapsNested = 0
  #fillsInPlace = 0
  #parts: VcpuParts | null = null
  readonly #ownWords = new BigUint64Array(SLOTS)
  #words: BigUint64Array = this.#ownWords

  constructor({ vm, index, softwareTlb = false, serving = null }: VcpuOptions) {
    this.vm = vm
    this.index = index
    this.serving = serving
    this.file = new ViewCsrFile(() => this.#words, softwareTlb ? new SoftwareTlb() : null)
    resetCsrFile(this.file, index)
  }

  /** Moves the CSR file to where its CPU keeps it; null: back here. */
  moveFile(to: BigUint64Array | null): void {
    const words = to ?? this.#ownWords
    if (words === this.#words) return
    words.set(this.#words)
    this.#words = words
  }

  /** Parts that are made after the vCPU, because they look at its state. */
  attach(parts: VcpuParts): void {
    this.#parts = parts
  }

  /** How its addresses become machine addresses. */
  get mmu(): GuestMmu {
    return this.#attached().mmu
  }

  stuck(): boolean {
    return this.#trapsInPlace >= TRAPS_IN_PLACE_MAX || this.#trapsNested >= TRAPS_NESTED_MAX || this.#fillsInPlace >= FILLS_IN_PLACE_MAX
  }

  executed(): number {
    return this.#executed
  }

  /** So many instructions went through; at least one. */
  retired(instructions: number): void {
    this.#executed += instructions
    this.#trapsInPlace = 0
    this.#fillsInPlace = 0
  }

  returned(): void {
    this.#trapsNested = 0
  }

  /** Its CPU has served itself, and told so after the instructions were counted. */
  served({ trapsNested, trappedLast }: Served): void {
    this.#trapsNested = trapsNested
    if (trappedLast) this.#trapsInPlace = 1
  }

  trapsNested(): number {
    return this.#trapsNested
  }

  filled(): void {
    this.#fillsInPlace += 1
  }

  trapped(): void {
    this.#fillsInPlace = 0
    this.#trapsInPlace += 1
    this.#trapsNested += 1
  }

  /** What of it is neither a register nor a CSR. */
  capture(): VcpuState {
    const { state, waiting, resume } = this
    const [executed, trapsInPlace, trapsNested, fillsInPlace] = [this.#executed, this.#trapsInPlace, this.#trapsNested, this.#fillsInPlace]
    return { state, waiting, resume, executed, trapsInPlace, trapsNested, fillsInPlace }
  }

  restore({ state, waiting, resume, executed, trapsInPlace, trapsNested, fillsInPlace }: VcpuState): void {
    this.state = state
    this.waiting = waiting
    this.resume = resume
    this.#executed = executed
    this.#trapsInPlace = trapsInPlace
    this.#trapsNested = trapsNested
    this.#fillsInPlace = fillsInPlace
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
    const { registers } = this.#attached()
    registers.writeRegister(A0, BigInt(this.index))
    registers.writeRegister(A0 + 1, opaque)
    registers.writePc(pc)
    this.refreshTranslation()
  }

  /** Privilege, satp or what of mstatus translation looks at was changed from outside. */
  refreshTranslation(): void {
    this.mmu.moved()
  }

  /** A PMP register was changed from outside. */
  refreshProtection(): void {
    this.mmu.protectionChanged()
  }

  /** The `mtime` at which an enabled timer of this vCPU will ring, or null. */
  deadline(machineTimer: bigint): bigint | null {
    const supervisor = supervisorTimerDeadline(this.file)
    const machine = (this.file.get(Slot.mie) & MTIP) === 0n ? null : machineTimer
    if (supervisor === null || machine === null) return supervisor ?? machine
    return supervisor < machine ? supervisor : machine
  }

  #attached(): VcpuParts {
    assert(this.#parts !== null, "a vCPU has its parts before it runs")
    return this.#parts
  }
}

export interface VcpuState extends Pick<Vcpu, "state" | "waiting" | "resume"> {
  readonly executed: number
  readonly trapsInPlace: number
  readonly trapsNested: number
  readonly fillsInPlace: number
}

/** General registers, wherever they lie. */
export interface RegisterPort {
  writeRegister(index: number, value: bigint): void
  writePc(pc: bigint): void
}

export interface VcpuOptions {
  readonly vm: number
  readonly index: number
  readonly softwareTlb?: boolean
  readonly serving?: ServingHow | null
}

export interface VcpuParts {
  readonly mmu: GuestMmu
  readonly registers: RegisterPort
}

const A0 = 10
