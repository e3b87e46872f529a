/** Laws of a second stage: physical → machine, walked by the engine. The H extension's "two-stage address translation" is the model. */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { PTE, ebreak, expectFields, expectSame, firstWrong } from "./setting.ts"
import type { EngineLaw, Setting } from "./setting.ts"

const { V, R, W, X, A, D } = PTE
const VIRTUAL = 0x40_0000_0000n - 0x10_0000n
const FRAME = RAM_BASE + 0x10_0000n
const CODE_FRAME = RAM_BASE + 0x1000n
/** Tables of the first stage, as `Setting` hands them out. */
const TABLES = 16
const NO_ACCESS = { read: false, write: false, execute: false, locked: false }

const loadInto = (rd: number, rs1: number): number => encode("ld", { rd, rs1, immediate: 0 })
const storeFrom = (rs2: number, rs1: number): number => encode("sd", { rs2, rs1, immediate: 0 })

/** Where a second stage puts physical pages: 2 MiB further up, where no law has anything. */
const STAGE_OFFSET = 0x40_0000n

/** A second stage for these physical pages, readable, and writable unless said; its root. */
function secondStage(setting: Setting, pages: readonly bigint[], writable = true): bigint {
  // Behind the tables that are moved.
  for (let table = 0; table < TABLES; table += 1) setting.newTable()
  const root = setting.newTable()
  for (const page of pages) setting.map(page, page + STAGE_OFFSET, V | R | X | (writable ? W : 0n), 0, root)
  return root >> 12n
}

const nested: EngineLaw = {
  law: "with a second stage code, data, tables and their A and D lie where it says; devices stay where they are",
  check: (setting) => {
    const { engine } = setting
    setting.map(VIRTUAL, FRAME, V | R | W)
    setting.map(VIRTUAL + 0x1000n, 0x1000_0000n, V | R | W | A | D)
    setting.map(CODE_FRAME, CODE_FRAME, V | R | X | A)
    setting.code([storeFrom(6, 5), loadInto(7, 5), loadInto(8, 9), ebreak], CODE_FRAME)
    const tables = Array.from({ length: TABLES }, (_, table) => setting.root + BigInt(table) * 0x1000n)
    const pages = [CODE_FRAME, FRAME, ...tables]
    for (const page of pages) engine.writeMemory(page + STAGE_OFFSET, engine.readMemory(page, 4096))
    const root = secondStage(setting, pages)
    for (const page of pages) engine.writeMemory(page, new Uint8Array(4096))
    setting.paging(1, { secondStage: root })
    setting.registers(0, { 5: VIRTUAL, 6: 42n, 9: VIRTUAL + 0x1008n })
    const exit = setting.run({ pc: CODE_FRAME })
    return firstWrong(
      expectFields("device", exit, { kind: "io-load", address: 0x1000_0008n, retired: 2 }),
      expectSame("loaded", engine.readRegister(0, 7), 42n),
      expectSame("in its frame", setting.read64(FRAME + STAGE_OFFSET), 42n),
      expectSame("and not in another", setting.read64(FRAME), 0n),
      ...tables.map((table) =>
        expectSame(
          "tables elsewhere",
          engine.readMemory(table, 4096).some((byte) => byte !== 0),
          false,
        ),
      ),
      expectFields("D in the entry", engine.translate(0, VIRTUAL, "load"), { address: FRAME + STAGE_OFFSET }),
    )
  },
}

const stageMisses: EngineLaw = {
  law: "where the second stage has no entry, or none for a store, the run leaves with the physical address, for tables too",
  check: (setting) => {
    const { engine } = setting
    const paged = setting.map(VIRTUAL, FRAME, V | R | W)
    const table = paged & ~0xfffn
    setting.map(CODE_FRAME, CODE_FRAME, V | R | X | A)
    setting.code([loadInto(7, 5), storeFrom(6, 5), ebreak], CODE_FRAME)
    const tables = Array.from({ length: TABLES }, (_, index) => setting.root + BigInt(index) * 0x1000n)
    const root = setting.newTable()
    const identity = (page: bigint, flags: bigint): bigint => setting.map(page, page, flags, 0, root)
    for (const page of tables) if (page !== table) identity(page, V | R | W)
    const run = (): ReturnType<typeof engine.run> => {
      engine.flushTranslations(0)
      return engine.run(0, 10)
    }
    setting.registers(0, { 5: VIRTUAL + 8n })
    setting.paging(1, { secondStage: root >> 12n })
    const fetch = setting.run({ pc: CODE_FRAME })
    identity(CODE_FRAME, V | R | X)
    const loadTable = run()
    identity(table, V | R)
    const setAccessed = run()
    identity(table, V | R | W)
    const load = run()
    identity(FRAME, V | R)
    const store = run()
    identity(FRAME, V | R | W)
    return firstWrong(
      expectFields("fetch", fetch, { kind: "stage-miss", access: "fetch", address: CODE_FRAME, virtualAddress: CODE_FRAME, write: false }),
      expectFields("table", loadTable, { kind: "stage-miss", access: "load", address: paged, virtualAddress: VIRTUAL + 8n, write: false }),
      expectFields("A", setAccessed, { kind: "stage-miss", access: "load", address: paged, virtualAddress: VIRTUAL + 8n, write: true }),
      expectFields("load", load, { kind: "stage-miss", access: "load", address: FRAME + 8n, virtualAddress: VIRTUAL + 8n, write: false }),
      expectFields("store", store, { kind: "stage-miss", access: "store", address: FRAME + 8n, write: true, retired: 1 }),
      expectFields("all there", run(), { kind: "system", retired: 1 }),
    )
  },
}

const stageProtection: EngineLaw = {
  law: "with a second stage PMP is asked for physical addresses",
  check: (setting) => {
    const { engine } = setting
    setting.code([loadInto(6, 5), ebreak], CODE_FRAME)
    setting.registers(0, { 5: FRAME })
    engine.writeMemory(CODE_FRAME + STAGE_OFFSET, engine.readMemory(CODE_FRAME, 4096))
    const root = secondStage(setting, [CODE_FRAME, FRAME])
    const load = (denied: bigint): ReturnType<Setting["run"]> => {
      const open = { from: 0n, to: 1n << 56n, read: true, write: true, execute: true, locked: false }
      engine.setProtection(0, { regions: [{ ...NO_ACCESS, from: denied, to: denied + 0x1000n }, open], denyUnmatched: true })
      engine.setTranslation(0, { mode: "bare", root: 0n, fetchPrivilege: 1, dataPrivilege: 1, sum: false, mxr: false, secondStage: root })
      return setting.run({ pc: CODE_FRAME })
    }
    const findings = [
      expectFields("denied", load(FRAME), { kind: "exception", cause: 5, value: FRAME }),
      expectFields("its frame denied", load(FRAME + STAGE_OFFSET), { kind: "system", retired: 1 }),
    ]
    engine.setProtection(0, { regions: [], denyUnmatched: false })
    setting.bare()
    return firstWrong(...findings)
  },
}

export const SECOND_STAGE_LAWS: readonly EngineLaw[] = [nested, stageMisses, stageProtection]
