/**
 * Exits that are handled elsewhere: what of a vCPU travels with the question, the answer to it, and what of the answer is done here.
 *
 * The hypervisor runs the same `handleExit` as a node would, on the privileged state that came with the question. What needs the guest's
 * memory or a device beside it (page faults of the shadow, TLB misses, device access, firmware calls) it leaves to the node, which then
 * handles the exit as a resident one. README.md, "Exits on the bus".
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { Exception } from "@backplane/trap-csr/causes"
import { Slot, slotsOf } from "@backplane/trap-csr/csr-file"
import { ECALL, MRET, SRET } from "@backplane/trap-csr/execute-system"
import { inject, isTlbWrite, onSystem, systemWord } from "./handle-exit.ts"
import { Vcpu } from "./vcpu.ts"
import type { EngineExit } from "@backplane/compute-contract/engine"
import type { FenceScope } from "@backplane/trap-csr/execute-system"
import type { Trap } from "@backplane/trap-csr/trap"
import type { DecidedExit, VmEntry, VmExit } from "@backplane/trap-contract/vm-exit-messages"
import type { Entry, ExitView, Request } from "./entry.ts"
import type { GuestMmu } from "./guest-mmu.ts"
import type { SystemParts } from "./vm-parts.ts"

/** An exit of the engine, or an interrupt that the vCPU has to take. */
export type HeldExit = EngineExit | { readonly kind: "interrupt"; readonly cause: number; readonly pc: bigint }

/** What of the question the VM knows; who asks adds names and numbers. */
export type ExitQuestion = Pick<VmExit, "exit" | "instret" | "time" | "csrs" | "softwareTlb" | "firmware">

const SUPERVISOR = 1n
/** Fields of mstatus. */
const SPP = 1n << 8n
const MPP = 3n << 11n
const PAGE_FAULTS: readonly number[] = [Exception.fetchPage, Exception.loadPage, Exception.storePage]

/** A question, and what the exit is to who follows traps. */
export interface HeldQuestion {
  readonly question: ExitQuestion
  readonly role: "call" | "miss" | "write" | "return-to-user" | "other"
  readonly cause: string
}

export function trapOf({ cause, pc }: Extract<HeldExit, { kind: "interrupt" }>): Trap {
  return { cause, interrupt: true, value: 0n, pc }
}

export function questionOf(vcpu: Vcpu, held: HeldExit, asked: { readonly view: ExitView; readonly firmware: boolean }): HeldQuestion {
  const role = roleOf(vcpu, held)
  return { question: askAbout(vcpu, held, asked), role, cause: role === "call" ? "ecall-from-user" : held.kind }
}

function roleOf({ file }: Vcpu, held: HeldExit): HeldQuestion["role"] {
  const isUser = file.get(Slot.privilege) === 0n
  if (held.kind === "tlb-miss") return isUser ? "miss" : "other"
  if (held.kind !== "system") return "other"
  const word = systemWord(held)
  if (word === ECALL) return isUser ? "call" : "other"
  if (((word >>> 12) & 3) !== 0 && isTlbWrite(word >>> 20)) return "write"
  const previous = word === SRET ? SPP : word === MRET ? MPP : null
  if (previous !== null) return (file.get(Slot.mstatus) & previous) === 0n ? "return-to-user" : "other"
  return "other"
}

function askAbout(vcpu: Vcpu, held: HeldExit, { view, firmware }: { readonly view: ExitView; readonly firmware: boolean }): ExitQuestion {
  const { file } = vcpu
  const csrs: [number, string][] = []
  for (let slot = 0; slot < slotsOf(file); slot++) if (file.get(slot) !== 0n) csrs.push([slot, hex(file.get(slot))])
  const { instret, time } = view.moment
  return { exit: wireOf(held, view), instret: hex(instret), time: hex(time), csrs, softwareTlb: file.tlb !== null, firmware }
}

function wireOf(held: HeldExit, view: ExitView): ExitQuestion["exit"] {
  const { kind, pc } = held
  const base = { kind: kind as ExitQuestion["exit"]["kind"], pc: hex(pc) }
  switch (held.kind) {
    case "interrupt":
      return { ...base, cause: held.cause }
    case "exception":
      return { ...base, cause: held.cause, value: hex(held.value), instruction: held.instruction }
    case "system": {
      const word = systemWord(held)
      const [rs1, rs2] = [view.register((word >>> 15) & 31), view.register((word >>> 20) & 31)]
      return { ...base, instruction: held.instruction, length: held.length, rs1: hex(rs1), rs2: hex(rs2) }
    }
    case "io-load":
    case "io-store":
    case "watch":
      return { ...base, address: hex(held.address) }
    default:
      return base
  }
}

/** The hypervisor's side: pure, keeps nothing. */
export function answerAbout(question: ExitQuestion): VmEntry["answer"] {
  const vcpu = new Vcpu({ vm: 0, index: 0, softwareTlb: question.softwareTlb })
  const { file } = vcpu
  for (let slot = 0; slot < slotsOf(file); slot++) file.set(slot, 0n)
  for (const [slot, value] of question.csrs) if (slot < slotsOf(file)) file.set(slot, BigInt(value))
  const before = Array.from({ length: slotsOf(file) }, (_, slot) => file.get(slot))
  const noted = new NotedMmu()
  vcpu.attach({ mmu: noted, registers: { writeRegister: () => undefined, writePc: () => undefined } })
  const answer = decide(vcpu, question)
  if (answer === null) return { by: "node" }
  const csrs = before.flatMap((value, slot): [number, string][] => (file.get(slot) === value ? [] : [[slot, hex(file.get(slot))]]))
  return { by: "hypervisor", ...decided(answer), csrs, ...noted.report() }
}

/** Null: the node's own business. */
function decide(vcpu: Vcpu, { exit, instret, time, softwareTlb, firmware }: ExitQuestion): Entry | Request | null {
  const pc = BigInt(exit.pc)
  const { cause = 0, value = "0x0", instruction = 0, length = 4 } = exit
  switch (exit.kind) {
    case "interrupt":
      return inject(vcpu, { cause, interrupt: true, value: 0n, pc })
    case "exception":
      // The refill of a software TLB saves registers in the guest's memory.
      return softwareTlb || PAGE_FAULTS.includes(cause) ? null : inject(vcpu, { cause, interrupt: false, value: BigInt(value), pc })
    case "system": {
      const left = { kind: "system", instruction, length, pc, retired: 0 } as const
      const word = systemWord(left)
      if (word === ECALL && firmware && vcpu.file.get(Slot.privilege) === SUPERVISOR) return null
      const operands = new Map([
        [(word >>> 20) & 31, BigInt(exit.rs2 ?? "0x0")],
        [(word >>> 15) & 31, BigInt(exit.rs1 ?? "0x0")],
      ])
      const view: ExitView = { moment: { instret: BigInt(instret), time: BigInt(time) }, register: (index) => operands.get(index) ?? 0n }
      const saved = softwareTlb ? [...Array(slotsOf(vcpu.file)).keys()].map((slot) => vcpu.file.get(slot)) : []
      const answer = onSystem(NO_PARTS, vcpu, { exit: left, view })
      if (!softwareTlb || answer.step.kind !== "trap") return answer
      saved.forEach((slot, at) => vcpu.file.set(at, slot))
      return null
    }
    default:
      return null
  }
}

function decided(answer: Entry | Request): Pick<DecidedExit, "cause" | "step" | "pc" | "result" | "waits"> {
  const { step, cause } = answer
  const waits = answer.kind === "request" && answer.wanted.kind === "wait"
  switch (step.kind) {
    case "next":
      return { cause, step: "next", waits, ...(step.result !== null && { result: hex(step.result) }) }
    case "jump":
    case "trap":
      return { cause, step: step.kind, waits, pc: hex(step.pc) }
    default:
      assert(false, "what is decided on the CSRs alone is next, jump or trap")
  }
}

/** The node's side: does what was decided to the vCPU's state and says how the instruction ends. */
export function applyDecided(vcpu: Vcpu, { cause, step, pc, result, waits, csrs, translation, fence }: DecidedExit): Entry | Request {
  for (const [slot, value] of csrs) if (slot < slotsOf(vcpu.file)) vcpu.file.set(slot, BigInt(value))
  if (translation.includes("protection")) vcpu.mmu.protectionChanged()
  if (translation.includes("moved")) vcpu.mmu.moved()
  if (translation.includes("tlb")) vcpu.mmu.tlbChanged()
  if (fence !== undefined) vcpu.mmu.fence({ address: bigOrNull(fence.address), addressSpace: bigOrNull(fence.addressSpace) })
  const at = (): bigint => BigInt(defined(pc, "a jump says where it goes"))
  switch (step) {
    case "trap":
      vcpu.trapped()
      return { kind: "entry", cause, class: "B", step: { kind: "trap", pc: at(), registers: [] } }
    case "jump":
      vcpu.returned()
      return { kind: "entry", cause, class: "B", step: { kind: "jump", pc: at() } }
    case "next": {
      const next = { kind: "next", result: result === undefined ? null : BigInt(result), registers: [] } as const
      if (waits) return { kind: "request", cause, class: "B", step: next, wanted: { kind: "wait" } }
      return { kind: "entry", cause, class: "B", step: next }
    }
  }
}

/** Notes what a translation would have to look at; where it is, the node says it to the real one. */
class NotedMmu implements GuestMmu {
  readonly #noted = new Set<"moved" | "protection" | "tlb" | "fence">()
  #fence: FenceScope | null = null

  moved(): void {
    this.#noted.add("moved")
  }
  protectionChanged(): void {
    this.#noted.add("protection")
  }
  tlbChanged(): void {
    this.#noted.add("tlb")
  }
  fence(scope: FenceScope): void {
    this.#noted.add("fence")
    this.#fence = scope
  }
  translation(): never {
    return notHere()
  }
  protection(): never {
    return notHere()
  }
  takeFlush(): never {
    return notHere()
  }
  takeFences(): never {
    return notHere()
  }
  owesFence(): never {
    return notHere()
  }
  owes(): never {
    return notHere()
  }
  servedSpace(): never {
    return notHere()
  }
  takeInstalls(): never {
    return notHere()
  }
  pmp(): readonly [] {
    return []
  }
  fault(): never {
    return notHere()
  }
  miss(): never {
    return notHere()
  }
  stageMiss(): never {
    return notHere()
  }
  pagesGone(): void {
    notHere()
  }
  dropAll(): void {
    notHere()
  }
  trees(): readonly [] {
    return []
  }
  spaces(): readonly [] {
    return []
  }
  report(): Pick<DecidedExit, "translation" | "fence"> {
    const fence = this.#fence
    return {
      translation: [...this.#noted],
      ...(fence !== null && { fence: { address: hexOrNull(fence.address), addressSpace: hexOrNull(fence.addressSpace) } }),
    }
  }
}

function notHere(): never {
  throw new Error("where an exit is only decided there is no translation")
}

/** Nothing beside the CSRs is looked at here: what would is left to the node. */
const NO_PARTS: SystemParts = {
  para: null,
  sbi: null,
  memory: { contains: () => false, isOut: () => true, write: () => undefined, unshared: 0 },
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}

function hexOrNull(value: bigint | null): string | null {
  return value === null ? null : hex(value)
}

function bigOrNull(value: string | null): bigint | null {
  return value === null ? null : BigInt(value)
}
