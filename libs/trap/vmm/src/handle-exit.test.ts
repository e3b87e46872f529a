/** One exit in, one answer out: no engine is needed to say what an exit means. */
import { beforeEach, describe, expect, it } from "vitest"
import { Slot } from "@backplane/trap-csr/csr-file"
import { exitHandler } from "./handle-exit.ts"
import { Vcpu } from "./vcpu.ts"
import type { EngineExit } from "@backplane/compute-contract/engine"
import type { Entry, ExitView, Request } from "./entry.ts"
import type { FillResult, GuestMmu } from "./guest-mmu.ts"
import type { VmParts } from "./vm-parts.ts"

const PC = 0x8000_1000n
const VIEW: ExitView = { moment: { instret: 7n, time: 9n }, register: (index) => BigInt(0x100 + index) }
const PARTS: VmParts = {
  tables: { onStore: () => true } as unknown as VmParts["tables"],
  loadDevice: (address) => (address === 0x1000_0000n ? { kind: "value", value: 0x41n } : { kind: "absent" }),
  storeDevice: (address) => (address === 0x10_0000n ? { kind: "end", reason: "finisher", code: 3 } : { kind: "disk" }),
  lookAtHost: () => null,
  memory: {} as unknown as VmParts["memory"],
  para: null,
  sbi: null,
}

let vcpu: Vcpu
let calls: string[]
let fill: FillResult

/** Just after its reset: M-mode, handlers where they can be told apart, user traps delegated. */
beforeEach(() => {
  calls = []
  fill = { kind: "filled" }
  vcpu = new Vcpu({ vm: 1, index: 0 })
  const mmu: Pick<GuestMmu, "fault" | "fence" | "moved" | "protectionChanged"> = {
    fault: (address, access) => (calls.push(`fill ${access} 0x${address.toString(16)}`), fill),
    fence: () => void calls.push("fence"),
    moved: () => void calls.push("moved"),
    protectionChanged: () => void calls.push("protection"),
  }
  vcpu.attach({ mmu: mmu as unknown as GuestMmu, registers: { writeRegister: () => undefined, writePc: () => undefined } })
  vcpu.file.set(Slot.mtvec, 0x8000_0100n)
  vcpu.file.set(Slot.stvec, 0x8000_0200n)
  vcpu.file.set(Slot.medeleg, 0xb1ffn)
})

const handle = (exit: EngineExit): Entry | Request => exitHandler(PARTS)(vcpu, exit, VIEW)
const system = (instruction: number): EngineExit => ({ kind: "system", instruction, length: 4, pc: PC, retired: 0 })
const fault = (cause: number): EngineExit => ({ kind: "exception", cause, value: 0x123n, instruction: 0, pc: PC, retired: 0 })

describe("an exit", () => {
  it("for a CSR is carried out on the virtual file: csrrw x1, sscratch, x2", () => {
    expect(handle(system(0x1401_10f3))).toEqual({
      kind: "entry",
      cause: "csr",
      class: "R",
      step: { kind: "next", result: 0n, registers: [] },
    })
    expect([vcpu.file.get(Slot.sscratch), calls]).toEqual([0x102n, []])
  })

  it("from user mode for a CSR of the kernel is the guest's illegal instruction", () => {
    vcpu.file.set(Slot.privilege, 0n)
    expect(handle(system(0x1401_10f3))).toMatchObject({ cause: "illegal-instruction", step: { kind: "trap", pc: 0x8000_0200n } })
    const { scause, stval, sepc } = Slot
    expect([scause, stval, sepc].map((slot) => vcpu.file.get(slot))).toEqual([2n, 0x1401_10f3n, PC])
  })

  it("for a system call goes to the guest's kernel, and its sret goes back to user mode", () => {
    vcpu.file.set(Slot.privilege, 0n)
    expect(handle(system(0x73))).toMatchObject({ cause: "ecall-from-user", step: { kind: "trap", pc: 0x8000_0200n } })
    expect([vcpu.file.get(Slot.privilege), vcpu.file.get(Slot.scause), calls]).toEqual([1n, 8n, ["moved"]])
    expect(handle(system(0x1020_0073))).toMatchObject({ cause: "return", step: { kind: "jump", pc: PC } })
    expect(vcpu.file.get(Slot.privilege)).toBe(0n)
  })

  it("for satp, a PMP register and sfence.vma reaches the shadow", () => {
    expect([system(0x1800_9073), system(0x3b00_9073), system(0x1200_0073)].map((exit) => handle(exit).cause)).toEqual([
      "satp",
      "pmp",
      "fence",
    ])
    expect(calls).toEqual(["moved", "protection", "moved", "fence"])
  })

  it("for wfi gives the CPU away", () => {
    expect(handle(system(0x1050_0073))).toMatchObject({ kind: "request", class: "R", wanted: { kind: "wait" } })
  })

  it("for a missing shadow entry is nobody's business but the VMM's; one that the guest's tables deny is the guest's", () => {
    expect(handle(fault(13))).toMatchObject({ cause: "shadow-load", step: { kind: "retry" } })
    fill = { kind: "fault", cause: 5 }
    expect(handle(fault(13))).toMatchObject({ cause: "load-access", step: { kind: "trap", pc: 0x8000_0100n } })
    expect([calls.slice(0, 2), vcpu.file.get(Slot.mtval)]).toEqual([["fill load 0x123", "fill load 0x123"], 0x123n])
  })

  it("for a device is answered by the VM's own, or is an access fault", () => {
    const load = { kind: "io-load", virtualAddress: 0x77n, width: 1, instruction: 0, pc: PC, retired: 0 } as const
    const store = { ...load, kind: "io-store", value: 1n } as const
    expect(handle({ ...load, address: 0x1000_0000n })).toMatchObject({ cause: "io-load", step: { kind: "load", value: 0x41n } })
    expect(handle({ ...load, address: 0x5000n })).toMatchObject({ cause: "load-access", step: { kind: "trap" } })
    expect(vcpu.file.get(Slot.mtval)).toBe(0x77n)
    expect(handle({ ...store, address: 0x1000_1050n })).toMatchObject({ cause: "disk", class: "B", step: { kind: "store" } })
    expect(handle({ ...store, address: 0x10_0000n })).toMatchObject({ kind: "request", class: "B", wanted: { kind: "end", code: 3 } })
  })

  it("for a store to one of its tables lets the guest go on", () => {
    expect(handle({ kind: "watch", address: 0x8000_0000n, pc: PC, retired: 1 })).toMatchObject({
      cause: "table-write",
      step: { kind: "retry" },
    })
  })
})
