/**
 * Trap and emulate: one exit of a deprivileged guest in, how it goes on out.
 *
 * Every privileged instruction, every access to a device and every fault of the guest comes here with its cause; the model of trap/csr
 * carries it out on the vCPU's virtual CSR file, and the guest's own traps are injected. Where this runs (in the node, or behind the
 * bus) is not its concern: it looks at the vCPU, its VM and the view only. OSTEP, appendix B.3; Popek and Goldberg 1974.
 */
import { assert, unreachable } from "@backplane/foundation-base/assert"
import { Exception } from "@backplane/trap-csr/causes"
import { Slot } from "@backplane/trap-csr/csr-file"
import { EBREAK, ECALL, executeSystem } from "@backplane/trap-csr/execute-system"
import { enterTrap, type Trap } from "@backplane/trap-csr/trap"
import { saveInFrame, T5, T6, type FramePort } from "@backplane/trap-csr/refill-frame"
import { exceptionName, interruptName } from "@backplane/trap-board/exit-names"
import { entry, retry, type Entry, type ExitView, type RegisterWrite, type Request, type Step } from "./entry.ts"
import { Hypercalls } from "./hypercalls.ts"
import { PAGE_SHIFT } from "./machine-frames.ts"
import type { AccessKind, EngineExit } from "@backplane/compute-contract/engine"
import type { SystemOutcome } from "@backplane/trap-csr/execute-system"
import type { SystemParts, VmParts } from "./vm-parts.ts"
import type { Vcpu } from "./vcpu.ts"

export type HandleExit = (vcpu: Vcpu, exit: EngineExit, view: ExitView) => Entry | Request

const STORE: Step = { kind: "store" }
const NEXT: Step = { kind: "next", result: null, registers: [] }
export const SATP = 0x180
const SUPERVISOR = 1n
/** Writes of an entry of the software TLB: stlbwr, stlbwi. */
const TLB_WRITES: readonly number[] = [0x5c4, 0x5c5]
const PMP_CSR_FIRST = 0x3a0
const PMP_CSR_LAST = 0x3ef
/** The page faults of the engine's walk, by cause. */
export const ACCESS_OF_FAULT: ReadonlyMap<number, AccessKind> = new Map([
  [Exception.fetchPage, "fetch"],
  [Exception.loadPage, "load"],
  [Exception.storePage, "store"],
])

/** The handler for the vCPUs of one VM. */
export function exitHandler(vm: VmParts): HandleExit {
  return (vcpu, exit, view) => {
    switch (exit.kind) {
      case "budget":
        return retry("budget")
      case "exception":
        return onException(vm, vcpu, { exit, view })
      case "system":
        return onSystem(vm, vcpu, { exit, view })
      case "io-load":
        return onLoad(vm, vcpu, { exit, view })
      case "io-store":
        return onStore(vm, vcpu, { exit, view })
      case "watch":
        return onWatch(vm, exit.address)
      case "tlb-miss":
        return onTlbMiss(vm, vcpu, { exit, view })
      case "stage-miss":
        return onStageMiss(vm, vcpu, { exit, view })
      case "frame":
        assert(false, "this node has all rights to the frames of its VMs")
        return retry("frame")
      default:
        return unreachable(exit)
    }
  }
}

/** One exit of a kind, and what may be looked at. */
export interface Seen<Kind extends EngineExit["kind"]> {
  readonly exit: Extract<EngineExit, { kind: Kind }>
  readonly view: ExitView
}

/** Injects: the guest's handler sees the trap as its own machine would have raised it. */
export function inject(vcpu: Vcpu, trap: Trap): Entry {
  vcpu.trapped()
  const pc = enterTrap(vcpu.file, trap)
  vcpu.mmu.moved()
  return entry(trap.interrupt ? interruptName(trap.cause) : exceptionName(trap.cause), { kind: "trap", pc, registers: NO_REGISTERS })
}

const NO_REGISTERS: readonly RegisterWrite[] = []

interface GuestException {
  readonly cause: number
  readonly value: bigint
  readonly pc: bigint
}

function injectException(vm: SystemParts, vcpu: Vcpu, { cause, value, pc, view }: GuestException & { readonly view: ExitView }): Entry {
  const trap = { cause, value, pc, interrupt: false }
  const injected = inject(vcpu, trap)
  if (vcpu.file.tlb === null || injected.step.kind !== "trap") return injected
  const saved = saveInFrame(vcpu.file, { trap, protection: vcpu.mmu.pmp(), port: framePort(vm, view) })
  if (saved === null) return injected
  const registers = [
    { register: T5, value: saved.t5 },
    { register: T6, value: saved.t6 },
  ]
  return { ...injected, step: { ...injected.step, registers } }
}

function framePort({ memory }: SystemParts, view: ExitView): FramePort {
  return {
    isMemory: (address, bytes) => memory.contains(address, bytes) && !memory.isOut(address >> PAGE_SHIFT),
    writeMemory: (address, data) => memory.write(address, data),
    register: (index) => view.register(index),
  }
}

export function onException(vm: VmParts, vcpu: Vcpu, { exit, view }: Seen<"exception">): Entry {
  const access = ACCESS_OF_FAULT.get(exit.cause)
  if (access === undefined) return injectException(vm, vcpu, { ...exit, view })
  const { unshared } = vm.memory
  const result = vcpu.mmu.fault(exit.value, access)
  if (result.kind === "fault") return injectException(vm, vcpu, { ...exit, cause: result.cause, view })
  vcpu.filled()
  return retry(vm.memory.unshared > unshared ? UNSHARE : `shadow-${access}`)
}

/** The guest's TLB is asked first; what it does not know either is the guest's own miss. */
export function onTlbMiss(vm: VmParts, vcpu: Vcpu, { exit, view }: Seen<"tlb-miss">): Entry {
  const { unshared } = vm.memory
  const result = vcpu.mmu.miss(exit.virtualAddress, exit.access)
  if (result.kind === "fault") return injectException(vm, vcpu, { cause: result.cause, value: exit.virtualAddress, pc: exit.pc, view })
  vcpu.filled()
  if (vm.memory.unshared > unshared) return retry(UNSHARE)
  return retry(result.kind === "remembered" ? "tlb-second-level" : LOOK_UP)
}

/** A page that lay together with equal ones was written: it has a frame of its own now (copy on write). */
export const UNSHARE = "unshare"

/** The guest's TLB had it: the engine's look-up table had only lost sight of it, which no machine would notice. */
export const LOOK_UP = "tlb-look-up"

function onStageMiss(vm: VmParts, vcpu: Vcpu, { exit, view }: Seen<"stage-miss">): Entry {
  const { unshared } = vm.memory
  const result = vcpu.mmu.stageMiss(exit.address, exit)
  if (result.kind === "fault") return injectException(vm, vcpu, { cause: result.cause, value: exit.virtualAddress, pc: exit.pc, view })
  vcpu.filled()
  return retry(vm.memory.unshared > unshared ? UNSHARE : "first-touch")
}

/** The one 16-bit form is c.ebreak. */
export function systemWord(exit: SystemExit["exit"]): number {
  return exit.length === 2 ? EBREAK : exit.instruction
}

export type SystemExit = Seen<"system">

export function onSystem(vm: SystemParts, vcpu: Vcpu, { exit, view }: SystemExit): Entry | Request {
  const word = systemWord(exit)
  if (word === ECALL && vcpu.file.get(Slot.privilege) === SUPERVISOR) {
    if (vm.para !== null && Hypercalls.asked(view)) return vm.para.call(vcpu, view)
    if (vm.sbi !== null) return onSbiCall(vm, vcpu)
  }
  const rs1 = view.register((word >>> 15) & 31)
  const rs2 = view.register((word >>> 20) & 31)
  const outcome = executeSystem(vcpu.file, { word, pc: exit.pc, rs1, rs2 }, view.moment)
  if (outcome.kind === "exception") return injectException(vm, vcpu, { ...outcome, pc: exit.pc, view })
  return carryOut(vcpu, outcome, word)
}

function carryOut(vcpu: Vcpu, outcome: Exclude<SystemOutcome, { kind: "exception" }>, word: number): Entry | Request {
  switch (outcome.kind) {
    case "next": {
      const csr = word >>> 20
      if (outcome.affects === "translation" || outcome.affects === "both") {
        if (isProtection(csr)) vcpu.mmu.protectionChanged()
        vcpu.mmu.moved()
      } else if (outcome.affects === "tlb") vcpu.mmu.tlbChanged()
      return entry(causeOfCsr(csr), { kind: "next", result: outcome.value, registers: NO_REGISTERS })
    }
    case "return":
      vcpu.returned()
      vcpu.mmu.moved()
      return entry("return", { kind: "jump", pc: outcome.pc })
    case "wait":
      return { kind: "request", cause: "wait", class: "R", step: NEXT, wanted: { kind: "wait" } }
    case "fence":
      vcpu.mmu.fence(outcome.scope)
      return entry("fence", NEXT)
    default:
      return unreachable(outcome)
  }
}

function causeOfCsr(csr: number): string {
  if (csr === SATP) return "satp"
  if (isTlbWrite(csr)) return "tlb-write"
  return isProtection(csr) ? "pmp" : "csr"
}

export function isTlbWrite(csr: number): boolean {
  return TLB_WRITES.includes(csr)
}

export function isProtection(csr: number): boolean {
  return csr >= PMP_CSR_FIRST && csr <= PMP_CSR_LAST
}

function onSbiCall(vm: SystemParts, vcpu: Vcpu): Entry | Request {
  assert(vm.sbi !== null, "asked only for guests without firmware")
  const { registers, end } = vm.sbi(vcpu)
  const step: Step = { kind: "next", result: null, registers }
  return end === null ? entry("sbi", step) : { kind: "request", cause: "sbi", class: "B", step, wanted: end }
}

function onLoad(vm: VmParts, vcpu: Vcpu, { exit, view }: Seen<"io-load">): Entry {
  const answer = vm.loadDevice(exit.address, exit.width)
  if (answer.kind === "absent")
    return injectException(vm, vcpu, { cause: Exception.loadAccess, value: exit.virtualAddress, pc: exit.pc, view })
  return entry("io-load", { kind: "load", value: answer.value })
}

function onStore(vm: VmParts, vcpu: Vcpu, { exit, view }: Seen<"io-store">): Entry | Request {
  const answer = vm.storeDevice(exit.address, exit.width, exit.value)
  switch (answer.kind) {
    case "absent":
      return injectException(vm, vcpu, { cause: Exception.storeAccess, value: exit.virtualAddress, pc: exit.pc, view })
    case "done":
      return entry("io-store", STORE)
    case "disk":
      // The disk is not in the node: the whole machine serves it.
      return { kind: "entry", cause: "disk", class: "B", step: STORE }
    case "end":
      return { kind: "request", cause: "io-store", class: "B", step: STORE, wanted: answer }
    default:
      return unreachable(answer)
  }
}

/** A store went through to a frame under watch: one of the guest's tables, or the words of HTIF. */
function onWatch(vm: VmParts, machineAddress: bigint): Entry | Request {
  const table = vm.tables.onStore(machineAddress)
  const end = vm.lookAtHost()
  if (end === null) return retry(table ? "table-write" : "watch")
  return { kind: "request", cause: "watch", class: "B", step: { kind: "retry" }, wanted: end }
}
