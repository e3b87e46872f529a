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
import { exceptionName, interruptName } from "@backplane/trap-board/exit-names"
import { entry, retry, type Entry, type ExitView, type Request, type Step } from "./entry.ts"
import type { AccessKind, EngineExit } from "@backplane/compute-contract/engine"
import type { SystemOutcome } from "@backplane/trap-csr/execute-system"
import type { VmParts } from "./vm-parts.ts"
import type { Vcpu } from "./vcpu.ts"

export type HandleExit = (vcpu: Vcpu, exit: EngineExit, view: ExitView) => Entry | Request

const STORE: Step = { kind: "store" }
const NEXT: Step = { kind: "next", result: null, registers: [] }
export const SATP = 0x180
const PMP_CSR_FIRST = 0x3a0
const PMP_CSR_LAST = 0x3ef
/** The page faults that a shadow tree can raise, by cause. */
const ACCESS_OF_FAULT: ReadonlyMap<number, AccessKind> = new Map([
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
        return onException(vcpu, exit)
      case "system":
        return onSystem(vm, vcpu, { exit, view })
      case "io-load":
        return onLoad(vm, vcpu, exit)
      case "io-store":
        return onStore(vm, vcpu, exit)
      case "watch":
        return onWatch(vm, exit.address)
      case "tlb-miss":
        assert(false, "shadow tables are walked by the engine")
        return retry("tlb-miss")
      case "stage-miss":
        assert(false, "nobody asked for a second stage")
        return retry("stage-miss")
      case "frame":
        assert(false, "this node has all rights to the frames of its VMs")
        return retry("frame")
      default:
        return unreachable(exit)
    }
  }
}

/** Injects: the guest's handler sees the trap as its own machine would have raised it. */
export function inject(vcpu: Vcpu, trap: Trap): Entry {
  vcpu.trapped()
  const pc = enterTrap(vcpu.file, trap)
  vcpu.shadow.moved()
  return entry(trap.interrupt ? interruptName(trap.cause) : exceptionName(trap.cause), { kind: "trap", pc })
}

function injectException(vcpu: Vcpu, { cause, value, pc }: { readonly cause: number; readonly value: bigint; readonly pc: bigint }): Entry {
  return inject(vcpu, { cause, value, pc, interrupt: false })
}

function onException(vcpu: Vcpu, exit: Extract<EngineExit, { kind: "exception" }>): Entry {
  const access = ACCESS_OF_FAULT.get(exit.cause)
  if (access === undefined) return injectException(vcpu, exit)
  const result = vcpu.shadow.fill(exit.value, access)
  if (result.kind === "fault") return injectException(vcpu, { ...exit, cause: result.cause })
  vcpu.filled()
  return retry(`shadow-${access}`)
}

/** The one 16-bit form is c.ebreak. */
export function systemWord(exit: SystemExit["exit"]): number {
  return exit.length === 2 ? EBREAK : exit.instruction
}

export interface SystemExit {
  readonly exit: Extract<EngineExit, { kind: "system" }>
  readonly view: ExitView
}

export function onSystem(vm: VmParts, vcpu: Vcpu, { exit, view }: SystemExit): Entry | Request {
  const word = systemWord(exit)
  if (word === ECALL && vm.sbi !== null && vcpu.file.get(Slot.privilege) === 1n) return onSbiCall(vm, vcpu)
  const rs1 = view.register((word >>> 15) & 31)
  const rs2 = view.register((word >>> 20) & 31)
  const outcome = executeSystem(vcpu.file, { word, pc: exit.pc, rs1, rs2 }, view.moment)
  return carryOut(vcpu, { outcome, word, pc: exit.pc })
}

function carryOut(
  vcpu: Vcpu,
  { outcome, word, pc }: { readonly outcome: SystemOutcome; readonly word: number; readonly pc: bigint },
): Entry | Request {
  switch (outcome.kind) {
    case "exception":
      return injectException(vcpu, { ...outcome, pc })
    case "next": {
      const csr = word >>> 20
      if (outcome.affects === "translation" || outcome.affects === "both") {
        if (isProtection(csr)) vcpu.shadow.protectionChanged()
        vcpu.shadow.moved()
      }
      const cause = csr === SATP ? "satp" : isProtection(csr) ? "pmp" : "csr"
      return entry(cause, { kind: "next", result: outcome.value, registers: [] })
    }
    case "return":
      vcpu.returned()
      vcpu.shadow.moved()
      return entry("return", { kind: "jump", pc: outcome.pc })
    case "wait":
      return { kind: "request", cause: "wait", class: "R", step: NEXT, wanted: { kind: "wait" } }
    case "fence":
      vcpu.shadow.fence()
      return entry("fence", NEXT)
    default:
      return unreachable(outcome)
  }
}

export function isProtection(csr: number): boolean {
  return csr >= PMP_CSR_FIRST && csr <= PMP_CSR_LAST
}

function onSbiCall(vm: VmParts, vcpu: Vcpu): Entry | Request {
  assert(vm.sbi !== null, "asked only for guests without firmware")
  const { registers, end } = vm.sbi(vcpu)
  const step: Step = { kind: "next", result: null, registers }
  return end === null ? entry("sbi", step) : { kind: "request", cause: "sbi", class: "B", step, wanted: end }
}

function onLoad(vm: VmParts, vcpu: Vcpu, exit: Extract<EngineExit, { kind: "io-load" }>): Entry {
  const answer = vm.loadDevice(exit.address, exit.width)
  if (answer.kind === "absent") return injectException(vcpu, { cause: Exception.loadAccess, value: exit.virtualAddress, pc: exit.pc })
  return entry("io-load", { kind: "load", value: answer.value })
}

function onStore(vm: VmParts, vcpu: Vcpu, exit: Extract<EngineExit, { kind: "io-store" }>): Entry | Request {
  const answer = vm.storeDevice(exit.address, exit.width, exit.value)
  switch (answer.kind) {
    case "absent":
      return injectException(vcpu, { cause: Exception.storeAccess, value: exit.virtualAddress, pc: exit.pc })
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
