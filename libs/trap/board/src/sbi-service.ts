/** Carries out what an SBI call asks: trap/sbi decides, this changes harts, memory and console. */
import { unreachable } from "@backplane/foundation-base/assert"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { SSIP } from "@backplane/trap-csr/causes"
import { Slot } from "@backplane/trap-csr/csr-file"
import { callSbi } from "@backplane/trap-sbi/sbi"
import type { Engine } from "@backplane/compute-contract/engine"
import type { SbiEffect } from "@backplane/trap-sbi/sbi-types"
import type { BoardEnd } from "./board-types.ts"
import type { Console } from "./console.ts"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { HartState } from "@backplane/trap-sbi/sbi-numbers"

const A0 = 10
const A6 = 16
const A7 = 17
const ARGUMENTS = 6
const PAGE = 4096n
/** A range of more pages than this is flushed whole. */
const PAGES_FLUSHED_SINGLY = 64n

/** Registers by hart, memory by physical address. */
export type SbiMachine = Pick<
  Engine,
  "readRegister" | "writeRegister" | "completeSystem" | "readMemory" | "writeMemory" | "flushTranslations"
> & { readonly options: { readonly memoryBytes: number } }

/** A hart as far as calls change it. */
export interface SbiHart {
  readonly index: number
  readonly file: CsrFile
  state: HartState
  waiting: boolean
  resume: { readonly pc: bigint; readonly opaque: bigint } | null
  begin(at: { readonly pc: bigint; readonly opaque: bigint }): void
}

export class SbiService {
  readonly #engine: SbiMachine
  readonly #harts: readonly SbiHart[]
  readonly #console: Console

  constructor(engine: SbiMachine, harts: readonly SbiHart[], console: Console) {
    this.#engine = engine
    this.#harts = harts
    this.#console = console
  }

  /** The call in the registers of `hart`, whose `ecall` is not completed yet. An end, if it asked for one. */
  call(hart: SbiHart): BoardEnd | null {
    const cpu = hart.index
    const read = (register: number): bigint => this.#engine.readRegister(cpu, register)
    const answer = callSbi(
      { hart: cpu, extension: read(A7), function: read(A6), arguments: Array.from({ length: ARGUMENTS }, (_, index) => read(A0 + index)) },
      {
        harts: this.#harts.map(({ state }) => state),
        memory: { from: RAM_BASE, bytes: BigInt(this.#engine.options.memoryBytes) },
        input: this.#console.waiting(),
      },
    )
    this.#engine.writeRegister(cpu, A0, answer.error)
    if (answer.value !== null) this.#engine.writeRegister(cpu, A0 + 1, answer.value)
    this.#engine.completeSystem(cpu)
    let end: BoardEnd | null = null
    for (const effect of answer.effects) end = this.#carryOut(effect) ?? end
    return end
  }

  #carryOut(effect: SbiEffect): BoardEnd | null {
    switch (effect.kind) {
      case "set-timer":
        // STIP is the comparison of Sstc: it falls and rises by itself.
        this.#hart(effect.hart)?.file.set(Slot.stimecmp, effect.deadline)
        return null
      case "raise-software":
        for (const index of effect.harts) this.#changeSoftware(index, (bits) => bits | SSIP)
        return null
      case "clear-software":
        this.#changeSoftware(effect.hart, (bits) => bits & ~SSIP)
        return null
      case "fence-instructions":
        return null // the engine's code follows every store
      case "fence-translations":
        for (const index of effect.harts) this.#flush(index, effect.range)
        return null
      case "start":
        this.#hart(effect.hart)?.begin(effect)
        return null
      case "stop":
        this.#set(effect.hart, "stopped")
        return null
      case "suspend":
        this.#suspend(effect)
        return null
      case "shutdown":
        return { kind: "end", reason: "shutdown", code: effect.outcome === "success" ? 0 : 1 }
      case "reset":
        return { kind: "end", reason: "reset", code: 0 }
      default:
        return this.#carryOutConsole(effect)
    }
  }

  #carryOutConsole(effect: Extract<SbiEffect, { kind: "console-byte" | "console-write" | "consume-input" | "write-memory" }>): null {
    switch (effect.kind) {
      case "console-byte":
        this.#console.write(effect.byte)
        return null
      case "console-write":
        for (const byte of this.#engine.readMemory(effect.address, effect.bytes)) this.#console.write(byte)
        return null
      case "consume-input":
        this.#console.take(effect.bytes)
        return null
      case "write-memory":
        this.#engine.writeMemory(effect.address, Uint8Array.from(effect.data))
        return null
      default:
        return unreachable(effect)
    }
  }

  #hart(index: number): SbiHart | undefined {
    return this.#harts[index]
  }

  #set(index: number, state: HartState): void {
    const hart = this.#hart(index)
    if (hart !== undefined) hart.state = state
  }

  #suspend(effect: Extract<SbiEffect, { kind: "suspend" }>): void {
    const hart = this.#hart(effect.hart)
    if (hart === undefined) return
    hart.state = "suspended"
    hart.waiting = true
    hart.resume = effect.resume
  }

  #changeSoftware(index: number, change: (bits: bigint) => bigint): void {
    const file = this.#hart(index)?.file
    file?.set(Slot.mipSoftware, change(file.get(Slot.mipSoftware)))
  }

  #flush(index: number, range: { readonly from: bigint; readonly bytes: bigint } | null): void {
    const tlb = this.#hart(index)?.file.tlb ?? null
    // Dropping more than asked is always right, and a range may lie in entries of many pages.
    tlb?.fence({ address: null, addressSpace: null })
    if (tlb !== null || range === null || range.bytes > PAGES_FLUSHED_SINGLY * PAGE) return this.#engine.flushTranslations(index)
    for (let at = range.from & ~(PAGE - 1n); at < range.from + range.bytes; at += PAGE)
      this.#engine.flushTranslations(index, BigInt.asUintN(64, at))
  }
}
