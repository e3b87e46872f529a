/** Laws of address translation. Privileged manual, "Sv39: virtual address translation process". */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { PTE, ebreak, expectFields, expectSame, firstWrong } from "./setting.ts"
import type { AccessKind, PrivilegeLevel } from "@backplane/compute-contract/engine"
import type { EngineLaw, Setting } from "./setting.ts"

const { V, R, W, X, U, A, D } = PTE
const VIRTUAL = 0x40_0000_0000n - 0x10_0000n // canonical, high in the lower half
const FRAME = RAM_BASE + 0x10_0000n
const CODE_FRAME = RAM_BASE + 0x1000n
const FAULT: Readonly<Record<AccessKind, number>> = { fetch: 12, load: 13, store: 15 }

const loadInto = (rd: number, rs1: number, immediate = 0): number => encode("ld", { rd, rs1, immediate })
const storeFrom = (rs2: number, rs1: number, immediate = 0): number => encode("sd", { rs2, rs1, immediate })

/** Code at CODE_FRAME mapped at the same virtual address for the supervisor, then run. */
function runPaged(setting: Setting, instructions: readonly number[], privilege: PrivilegeLevel = 1): ReturnType<Setting["run"]> {
  setting.code([...instructions, ebreak], CODE_FRAME)
  setting.map(CODE_FRAME, CODE_FRAME, V | R | X | A | (privilege === 0 ? U : 0n))
  setting.paging(privilege)
  return setting.run({ pc: CODE_FRAME })
}

const accessedAndDirty: EngineLaw = {
  law: "a load sets A, a store sets A and D, in the entry in memory",
  check: (setting) => {
    const entry = setting.map(VIRTUAL, FRAME, V | R | W)
    setting.registers(0, { 5: VIRTUAL, 6: 42n })
    const load = runPaged(setting, [loadInto(7, 5)])
    const afterLoad = setting.read64(entry) & (A | D)
    const store = runPaged(setting, [storeFrom(6, 5)])
    return firstWrong(
      expectFields("load", load, { kind: "system", retired: 1 }),
      expectSame("A and D after the load", afterLoad, A),
      expectFields("store", store, { kind: "system", retired: 1 }),
      expectSame("A and D after the store", setting.read64(entry) & (A | D), A | D),
      expectSame("the stored value", setting.read64(FRAME), 42n),
    )
  },
}

const straddle: EngineLaw = {
  law: "an instruction that runs into an unmapped page faults at its own pc with the second page as value",
  check: (setting) => {
    const last = CODE_FRAME + 0xffen
    setting.code([encode("addi", { rd: 5, rs1: 5, immediate: 7 })], last)
    setting.map(CODE_FRAME, CODE_FRAME, V | R | X | A)
    setting.paging(1)
    const fault = setting.run({ pc: last })
    // Mapped elsewhere, so that contiguous physical pages would give other bits.
    setting.map(CODE_FRAME + 0x1000n, FRAME, V | R | X | A)
    setting.engine.writeMemory(FRAME, setting.engine.readMemory(CODE_FRAME + 0x1000n, 2))
    setting.code([0], CODE_FRAME + 0x1000n)
    setting.code([ebreak], FRAME + 2n)
    setting.engine.flushTranslations(0)
    setting.registers(0, { 5: 1n })
    const done = setting.run({ pc: last })
    return firstWrong(
      expectFields("unmapped", fault, { kind: "exception", cause: 12, value: CODE_FRAME + 0x1000n, pc: last, retired: 0 }),
      expectFields("mapped", done, { kind: "system", pc: last + 4n, retired: 1 }),
      expectSame("x5", setting.engine.readRegister(0, 5), 8n),
    )
  },
}

/** Written apart from the engine: may this entry be used so? */
function permitted(
  entry: bigint,
  access: AccessKind,
  privilege: PrivilegeLevel,
  bits: { readonly sum: boolean; readonly mxr: boolean },
): boolean {
  const has = (bit: bigint): boolean => (entry & bit) !== 0n
  if (!has(V) || (has(W) && !has(R)) || !(has(R) || has(X))) return false
  if (privilege === 0 && !has(U)) return false
  if (privilege === 1 && has(U) && (access === "fetch" || !bits.sum)) return false
  if (access === "fetch") return has(X)
  if (access === "store") return has(W)
  return has(R) || (bits.mxr && has(X))
}

const permissions: EngineLaw = {
  law: "every combination of V R W X U, privilege, SUM and MXR allows exactly what the manual says",
  check: (setting) => {
    for (let flags = 0n; flags < 32n; flags++) {
      setting.map(VIRTUAL, FRAME, flags)
      for (const privilege of [0, 1] as const) {
        for (const bits of [0, 1, 2, 3].map((value) => ({ sum: (value & 1) !== 0, mxr: (value & 2) !== 0 }))) {
          setting.paging(privilege, bits)
          setting.engine.flushTranslations(0)
          for (const access of ["fetch", "load", "store"] as const) {
            const result = setting.engine.translate(0, VIRTUAL + 8n, access)
            const wanted = permitted(flags, access, privilege, bits) ? { address: FRAME + 8n } : { cause: FAULT[access] }
            const wrong = expectFields(`flags ${flags} privilege ${privilege} ${access}`, result, wanted)
            if (wrong !== undefined) return wrong
          }
        }
      }
    }
    return undefined
  },
}

const canonical: EngineLaw = {
  law: "an address whose bits 63:39 differ from bit 38 faults, whatever is mapped",
  check: (setting) => {
    setting.map(0n, FRAME, V | R | W | X | A | D)
    setting.paging(1)
    for (const address of [1n << 38n, 1n << 39n, 1n << 63n, 2n ** 64n - (1n << 39n), 2n ** 64n - (1n << 38n) - 4096n]) {
      for (const access of ["fetch", "load", "store"] as const) {
        const wrong = expectFields(`0x${address.toString(16)} ${access}`, setting.engine.translate(0, address, access), {
          cause: FAULT[access],
        })
        if (wrong !== undefined) return wrong
      }
    }
    return undefined
  },
}

const superpages: EngineLaw = {
  law: "superpages map whole, misaligned ones fault",
  check: (setting) => {
    const all = V | R | W | X | A | D
    setting.map(0x20_0000n, RAM_BASE, all, 1)
    setting.map(0x40_0000n, RAM_BASE + 0x1000n, all, 1)
    setting.map(0x4000_0000n, RAM_BASE, all, 2)
    setting.map(0x8000_0000n, RAM_BASE + 0x20_0000n, all, 2)
    setting.paging(1)
    const { engine } = setting
    return firstWrong(
      expectFields("2 MiB", engine.translate(0, 0x32_3456n, "load"), { address: RAM_BASE + 0x12_3456n }),
      expectFields("2 MiB misaligned", engine.translate(0, 0x40_0000n, "load"), { cause: 13 }),
      expectFields("1 GiB", engine.translate(0, 0x4012_3456n, "store"), { address: RAM_BASE + 0x12_3456n }),
      expectFields("1 GiB misaligned", engine.translate(0, 0x8000_0000n, "fetch"), { cause: 12 }),
    )
  },
}

const malformed: EngineLaw = {
  law: "reserved bits, a pointer at the last level, and A, D or U in a pointer fault; tables outside RAM are access faults",
  check: (setting) => {
    const { engine } = setting
    const good = V | R | A
    const entry = setting.map(VIRTUAL, FRAME, good)
    setting.paging(1)
    const asks = (value: bigint): ReturnType<typeof engine.translate> => {
      setting.write64(entry, ((FRAME >> 12n) << 10n) | value)
      return engine.translate(0, VIRTUAL, "load")
    }
    const findings = [54n, 60n, 61n, 62n, 63n].map((bit) => expectFields(`bit ${bit}`, asks(good | (1n << bit)), { cause: 13 }))
    findings.push(expectFields("pointer at level 0", asks(V), { cause: 13 }))
    for (const bit of [A, D, U]) {
      setting.write64(setting.root + 8n, ((FRAME >> 12n) << 10n) | V | bit)
      findings.push(expectFields(`bit ${bit} in a pointer`, engine.translate(0, 0x4000_0000n, "load"), { cause: 13 }))
    }
    setting.write64(setting.root + 16n, (0x1000n << 10n) | V)
    findings.push(expectFields("table outside RAM", engine.translate(0, 0x8000_0000n, "load"), { cause: 5 }))
    findings.push(expectFields("table outside RAM", engine.translate(0, 0x8000_0000n, "store"), { cause: 7 }))
    findings.push(expectFields("table outside RAM", engine.translate(0, 0x8000_0000n, "fetch"), { cause: 1 }))
    return firstWrong(...findings)
  },
}

const flushing: EngineLaw = {
  law: "after a flush, of all or of the page, a changed entry is seen; other roots keep their own",
  check: (setting) => {
    const other = FRAME + 0x1000n
    setting.write64(FRAME, 1n)
    setting.write64(other, 2n)
    const secondRoot = setting.newTable()
    setting.map(VIRTUAL, other, V | R | A, 0, secondRoot)
    setting.map(CODE_FRAME, CODE_FRAME, V | R | X | A, 0, secondRoot)
    setting.registers(0, { 5: VIRTUAL })
    const read = (root: bigint): bigint => {
      setting.paging(1, { root: root >> 12n })
      setting.run({ pc: CODE_FRAME })
      return setting.engine.readRegister(0, 6)
    }
    setting.map(VIRTUAL, FRAME, V | R | A)
    runPaged(setting, [loadInto(6, 5)])
    const seen = [read(setting.root), read(secondRoot), read(setting.root)]
    setting.map(VIRTUAL, other, V | R | A)
    setting.engine.flushTranslations(0, VIRTUAL)
    seen.push(read(setting.root))
    setting.map(VIRTUAL, FRAME, V | R | A)
    setting.engine.flushTranslations(0)
    seen.push(read(setting.root))
    return expectSame("values read", seen.join(), [1n, 2n, 1n, 2n, 1n].join())
  },
}

const superpageFlush: EngineLaw = {
  law: "flushing one page of a superpage forgets all of it",
  check: (setting) => {
    const at = 0x4020_0000n
    const frame = RAM_BASE + 0x40_0000n
    setting.write64(frame + 0x5000n, 1n)
    setting.write64(frame + 0x20_5000n, 2n)
    setting.map(at, frame, V | R | A, 1)
    setting.registers(0, { 5: at + 0x5000n })
    runPaged(setting, [loadInto(6, 5)])
    setting.map(at, frame + 0x20_0000n, V | R | A, 1)
    setting.engine.flushTranslations(0, at)
    setting.run({ pc: CODE_FRAME })
    return expectSame("value read", setting.engine.readRegister(0, 6), 2n)
  },
}

const causes: EngineLaw = {
  law: "loads fault with 13, stores and AMOs with 15, user access to supervisor pages faults; the value is the address",
  check: (setting) => {
    setting.registers(0, { 5: VIRTUAL + 16n })
    setting.map(VIRTUAL, FRAME, V | R | W | A | D)
    const user = runPaged(setting, [loadInto(6, 5)], 0)
    setting.map(VIRTUAL, FRAME, V | R | A)
    const store = runPaged(setting, [storeFrom(6, 5)])
    const amo = runPaged(setting, [encode("amoadd.d", { rd: 6, rs1: 5, rs2: 7 })])
    const at = { pc: CODE_FRAME, value: VIRTUAL + 16n, retired: 0 }
    return firstWrong(
      expectFields("user", user, { cause: 13, ...at }),
      expectFields("store", store, { cause: 15, ...at }),
      expectFields("amo", amo, { cause: 15, ...at }),
    )
  },
}

const splitAccess: EngineLaw = {
  law: "a misaligned access over a page boundary faults with the second page as value and stores nothing; mapped, it works on both frames",
  check: (setting) => {
    const at = VIRTUAL + 0xffdn
    const second = FRAME + 0x5000n
    setting.map(VIRTUAL, FRAME, V | R | W | A | D)
    setting.registers(0, { 5: at, 6: 0x1122334455667788n })
    const fault = runPaged(setting, [storeFrom(6, 5)])
    const untouched = setting.read64(FRAME + 0xff8n)
    setting.map(VIRTUAL + 0x1000n, second, V | R | W | A | D)
    setting.engine.flushTranslations(0)
    const done = runPaged(setting, [storeFrom(6, 5), loadInto(7, 5)])
    return firstWrong(
      expectFields("unmapped", fault, { cause: 15, value: VIRTUAL + 0x1000n, retired: 0 }),
      expectSame("first page after the fault", untouched, 0n),
      expectFields("mapped", done, { kind: "system", retired: 2 }),
      expectSame("read back", setting.engine.readRegister(0, 7), 0x1122334455667788n),
      expectSame("first frame", setting.read64(FRAME + 0xff8n) >> 40n, 0x667788n),
      expectSame("second frame", setting.read64(second) & 0xff_ffff_ffffn, 0x1122334455n),
    )
  },
}

const refill: EngineLaw = {
  law: "in mode refill a miss leaves, the installed page serves, and only for what it permits",
  check: (setting) => {
    setting.code([loadInto(6, 5), storeFrom(6, 5), ebreak], CODE_FRAME)
    setting.write64(FRAME, 77n)
    setting.registers(0, { 5: VIRTUAL })
    setting.paging(1, { mode: "refill", root: 9n })
    const { engine } = setting
    const fetchMiss = setting.run({ pc: CODE_FRAME })
    engine.installTranslation(0, { virtualAddress: CODE_FRAME, physicalAddress: CODE_FRAME, read: false, write: false, execute: true })
    const loadMiss = engine.run(0, 10)
    engine.installTranslation(0, { virtualAddress: VIRTUAL, physicalAddress: FRAME, read: true, write: false, execute: false })
    const storeMiss = engine.run(0, 10)
    return firstWrong(
      expectFields("fetch", fetchMiss, { kind: "tlb-miss", access: "fetch", virtualAddress: CODE_FRAME }),
      expectFields("load", loadMiss, { kind: "tlb-miss", access: "load", virtualAddress: VIRTUAL, pc: CODE_FRAME }),
      expectFields("store", storeMiss, { kind: "tlb-miss", access: "store", virtualAddress: VIRTUAL, retired: 1 }),
      expectSame("x6", engine.readRegister(0, 6), 77n),
    )
  },
}

const refillConflict: EngineLaw = {
  law: "in mode refill code, data over two pages and a page of data in the same place of every table get on together",
  check: (setting) => {
    const { engine } = setting
    // 512 pages apart, code that runs over the end of its page, data likewise.
    const last = CODE_FRAME + 0xffen
    const data = last + 0x20_0000n
    setting.code([loadInto(6, 5), ebreak], last)
    setting.write64(data & ~7n, 0x1122n << 48n)
    setting.registers(0, { 5: data })
    setting.paging(1, { mode: "refill", root: 9n })
    let exit = setting.run({ pc: last })
    for (let turn = 0; turn < 12 && exit.kind === "tlb-miss"; turn++) {
      const fetch = exit.access === "fetch"
      const { virtualAddress } = exit
      engine.installTranslation(0, { virtualAddress, physicalAddress: virtualAddress, read: !fetch, write: !fetch, execute: fetch })
      exit = engine.run(0, 10)
    }
    return firstWrong(expectFields("end", exit, { kind: "system" }), expectSame("x6", engine.readRegister(0, 6) & 0xffffn, 0x1122n))
  },
}

const refillUnderMprv: EngineLaw = {
  law: "in mode refill a machine-mode fetch is bare, its loads under MPRV are not",
  check: (setting) => {
    setting.code([loadInto(6, 5), ebreak], CODE_FRAME)
    setting.registers(0, { 5: VIRTUAL })
    setting.engine.setTranslation(0, { mode: "refill", root: 9n, fetchPrivilege: 3, dataPrivilege: 1, sum: false, mxr: false })
    return expectFields("load", setting.run({ pc: CODE_FRAME }), { kind: "tlb-miss", access: "load", pc: CODE_FRAME })
  },
}

const NO_ACCESS = { read: false, write: false, execute: false, locked: false }

const physicalProtection: EngineLaw = {
  law: "PMP: the first region that touches the bytes decides, to the byte; machine mode is bound by locked ones only",
  check: (setting) => {
    const { engine } = setting
    const regions = [
      { ...NO_ACCESS, from: FRAME + 8n, to: FRAME + 16n },
      { ...NO_ACCESS, from: FRAME + 0x1000n, to: FRAME + 0x2000n, locked: true },
      { from: 0n, to: 1n << 56n, read: true, write: true, execute: true, locked: false },
    ]
    setting.code([loadInto(6, 5), ebreak])
    const load = (address: bigint, privilege: PrivilegeLevel): ReturnType<Setting["run"]> => {
      engine.setTranslation(0, { mode: "bare", root: 0n, fetchPrivilege: privilege, dataPrivilege: privilege, sum: false, mxr: false })
      setting.registers(0, { 5: address })
      return setting.run()
    }
    engine.setProtection(0, { regions, denyUnmatched: true })
    const findings = [
      expectFields("below", load(FRAME, 1), { kind: "system" }),
      expectFields("inside", load(FRAME + 8n, 1), { kind: "exception", cause: 5, value: FRAME + 8n }),
      expectFields("partly", load(FRAME + 4n, 1), { kind: "exception", cause: 5, value: FRAME + 4n }),
      expectFields("above", load(FRAME + 16n, 1), { kind: "system" }),
      expectFields("machine mode", load(FRAME + 8n, 3), { kind: "system" }),
      expectFields("machine mode, locked", load(FRAME + 0x1000n, 3), { kind: "exception", cause: 5 }),
    ]
    engine.setProtection(0, { regions: [], denyUnmatched: true })
    findings.push(expectFields("nothing allowed", load(FRAME, 0), { kind: "exception", cause: 1, value: RAM_BASE }))
    engine.setProtection(0, { regions: [], denyUnmatched: false })
    findings.push(expectFields("no PMP", load(FRAME, 0), { kind: "system" }))
    setting.bare()
    return firstWrong(...findings)
  },
}

export const TRANSLATION_LAWS: readonly EngineLaw[] = [
  accessedAndDirty, straddle, permissions, canonical, superpages, malformed, flushing, superpageFlush, causes, splitAccess, refill, refillConflict, refillUnderMprv, physicalProtection,
] // prettier-ignore
