/** Laws of `setFrameRights`: what the host takes, no CPU has a way to any longer, whatever it had looked up or decoded before. */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { PTE, ebreak, expectFields, expectSame, firstWrong } from "./setting.ts"
import type { EngineLaw } from "./setting.ts"

const { V, R, W, X } = PTE
const VIRTUAL = 0x40_0000_0000n - 0x10_0000n
const FRAME = RAM_BASE + 0x10_0000n
const CODE_FRAME = RAM_BASE + 0x1000n

const loadInto = (rd: number, rs1: number): number => encode("ld", { rd, rs1, immediate: 0 })
const storeFrom = (rs2: number, rs1: number): number => encode("sd", { rs2, rs1, immediate: 0 })

const data: EngineLaw = {
  law: "without rights to a frame loads leave, with rights to read only stores; entries looked up before do not help",
  check: (setting) => {
    const { engine } = setting
    setting.bare()
    setting.code([storeFrom(6, 5), loadInto(7, 5), ebreak], CODE_FRAME)
    setting.registers(0, { 5: FRAME + 8n, 6: 42n })
    const run = (): ReturnType<typeof setting.run> => setting.run({ pc: CODE_FRAME })
    const before = run()
    engine.setFrameRights(FRAME + 0x123n, "read")
    const readOnly = run()
    const readable = setting.run({ pc: CODE_FRAME + 4n })
    engine.setFrameRights(FRAME, "none")
    const absent = setting.run({ pc: CODE_FRAME + 4n })
    engine.setFrameRights(FRAME, "write")
    return firstWrong(
      expectFields("before", before, { kind: "system", retired: 2 }),
      expectFields("store", readOnly, {
        kind: "frame",
        access: "store",
        address: FRAME + 8n,
        virtualAddress: FRAME + 8n,
        write: true,
        retired: 0,
      }),
      expectFields("load", readable, { kind: "system", retired: 1 }),
      expectFields("gone", absent, { kind: "frame", access: "load", address: FRAME + 8n, write: false, retired: 0 }),
      expectFields("given back", run(), { kind: "system", retired: 2 }),
    )
  },
}

const code: EngineLaw = {
  law: "code of a frame without rights is not run, though it was decoded; new bytes in it are",
  check: (setting) => {
    const { engine } = setting
    setting.bare()
    setting.code([encode("addi", { rd: 7, rs1: 0, immediate: 1 }), ebreak], CODE_FRAME)
    const run = (): ReturnType<typeof setting.run> => setting.run({ pc: CODE_FRAME })
    run()
    engine.setFrameRights(CODE_FRAME, "none")
    const absent = run()
    setting.code([encode("addi", { rd: 7, rs1: 0, immediate: 2 }), ebreak], CODE_FRAME)
    engine.setFrameRights(CODE_FRAME, "read")
    const back = run()
    const seven = engine.readRegister(0, 7)
    engine.setFrameRights(CODE_FRAME, "write")
    return firstWrong(
      expectFields("gone", absent, { kind: "frame", access: "fetch", address: CODE_FRAME, write: false, retired: 0 }),
      expectFields("back", back, { kind: "system", retired: 1 }),
      expectSame("new code", seven, 2n),
    )
  },
}

const tables: EngineLaw = {
  law: "the walk reads no table without rights, and sets A and D only with the right to write it",
  check: (setting) => {
    const { engine } = setting
    const entry = setting.map(VIRTUAL, FRAME, V | R | W)
    const table = entry & ~0xfffn
    setting.map(CODE_FRAME, CODE_FRAME, V | R | X | PTE.A)
    setting.code([storeFrom(6, 5), ebreak], CODE_FRAME)
    setting.registers(0, { 5: VIRTUAL, 6: 1n })
    setting.paging(1)
    const fetched = setting.run({ pc: CODE_FRAME + 4n })
    engine.setFrameRights(table, "none")
    const unreadable = setting.run({ pc: CODE_FRAME })
    engine.setFrameRights(table, "read")
    const unwritable = setting.run({ pc: CODE_FRAME })
    const untouched = setting.read64(entry)
    engine.setFrameRights(table, "write")
    const done = setting.run({ pc: CODE_FRAME })
    setting.bare()
    return firstWrong(
      expectFields("code", fetched, { kind: "system" }),
      expectFields("table", unreadable, { kind: "frame", access: "store", address: entry, write: false }),
      expectFields("A and D", unwritable, { kind: "frame", access: "store", address: entry, write: true }),
      expectSame("not set", untouched & (PTE.A | PTE.D), 0n),
      expectFields("with rights", done, { kind: "system", retired: 1 }),
    )
  },
}

const reservations: EngineLaw = {
  law: "a frame that goes takes its reservations with it; one that may only be read keeps them",
  check: (setting) => {
    const { engine } = setting
    setting.bare()
    setting.code([encode("lr.d", { rd: 7, rs1: 5 }), ebreak, encode("sc.d", { rd: 8, rs1: 5, rs2: 6 }), ebreak], CODE_FRAME)
    setting.registers(0, { 5: FRAME, 6: 1n })
    const attempt = (rights: "none" | "read"): bigint => {
      setting.run({ pc: CODE_FRAME })
      engine.setFrameRights(FRAME, rights)
      engine.setFrameRights(FRAME, "write")
      setting.run({ pc: CODE_FRAME + 8n })
      return engine.readRegister(0, 8)
    }
    return firstWrong(expectSame("gone", attempt("none"), 1n), expectSame("kept", attempt("read"), 0n))
  },
}

export const FRAME_RIGHTS_LAWS: readonly EngineLaw[] = [data, code, tables, reservations]
