/** Laws of execution: counts, devices, atomics between CPUs, and code that changes. */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { STAGE_MEMORY_BYTES, ebreak, expectFields, expectSame, firstWrong } from "./setting.ts"
import type { EngineLaw } from "./setting.ts"

const DATA = RAM_BASE + 0x10_0000n
const DEVICE = 0x1000_0000n
const SECOND_CODE = RAM_BASE + 0x8000n

const addOne = (register: number): number => encode("addi", { rd: register, rs1: register, immediate: 1 })

const exactCount: EngineLaw = {
  law: "run stops exactly: any split of a run gives the same state",
  check: (setting) => {
    const loop = [addOne(5), encode("xor", { rd: 6, rs1: 6, rs2: 5 }), 0x0001, encode("jal", { rd: 7, immediate: -10 })]
    setting.code(loop)
    setting.registers(0, { 5: 0n, 6: 0n, 7: 0n })
    const whole = setting.run({ budget: 1_000_003 })
    const state = setting.engine.captureCpu(0)
    setting.registers(0, { 5: 0n, 6: 0n, 7: 0n })
    setting.engine.writeInstret(0, 0n)
    setting.engine.writePc(0, RAM_BASE)
    let retired = 0
    for (const part of [1, 2, 3, 999_990, 7]) retired += setting.engine.run(0, part).retired
    const again = setting.engine.captureCpu(0)
    return firstWrong(
      expectFields("whole", whole, { kind: "budget", retired: 1_000_003 }),
      expectSame("split", retired, 1_000_003),
      expectSame("instret", again.instret, 1_000_003n),
      expectSame("pc", again.pc, state.pc),
      expectSame("registers", again.registers.join(), state.registers.join()),
    )
  },
}

const pageEnd: EngineLaw = {
  law: "running on into the next page is no instruction",
  check: (setting) => {
    const start = RAM_BASE + 0xff8n
    setting.code([addOne(5), addOne(5), addOne(5), ebreak], start)
    setting.registers(0, { 5: 0n })
    const two = setting.run({ pc: start, budget: 2 })
    const rest = setting.engine.run(0, 10)
    return firstWrong(
      expectFields("two", two, { kind: "budget", retired: 2, pc: start + 8n }),
      expectFields("rest", rest, { kind: "system", retired: 1, pc: start + 12n }),
    )
  },
}

const zeroRegister: EngineLaw = {
  law: "x0 stays 0 and nothing else changes, whatever writes it",
  check: (setting) => {
    const writers = [
      encode("addi", { rd: 0, rs1: 5, immediate: 3 }), encode("lui", { rd: 0, immediate: 0x1000 }), encode("ld", { rd: 0, rs1: 5 }),
      encode("amoadd.w", { rd: 0, rs1: 5, rs2: 0 }), encode("lr.d", { rd: 0, rs1: 5 }), encode("jal", { rd: 0, immediate: 4 }), encode("mul", { rd: 0, rs1: 5, rs2: 5 }),
    ] // prettier-ignore
    setting.code([...writers, encode("add", { rd: 6, rs1: 0, rs2: 0 }), ebreak])
    for (let register = 1; register < 32; register++) setting.registers(0, { [register]: DATA + BigInt(8 * register) })
    setting.run()
    for (let register = 1; register < 32; register++) {
      const expected = register === 6 ? 0n : DATA + BigInt(8 * register)
      const wrong = expectSame(`x${register}`, setting.engine.readRegister(0, register), expected)
      if (wrong !== undefined) return wrong
    }
    return expectSame("x0", setting.engine.readRegister(0, 0), 0n)
  },
}

const deviceAccess: EngineLaw = {
  law: "an access outside RAM leaves with address, width and value, and completes as the instruction says",
  check: (setting) => {
    const { engine } = setting
    setting.code([
      encode("lb", { rd: 6, rs1: 5, immediate: 3 }),
      encode("lwu", { rd: 7, rs1: 5 }),
      encode("sh", { rs1: 5, rs2: 8, immediate: 2 }),
      encode("lw", { rd: 0, rs1: 5 }),
      ebreak,
    ])
    setting.registers(0, { 5: DEVICE, 8: 0x12345678n })
    engine.writeInstret(0, 0n)
    const byte = setting.run()
    engine.completeLoad(0, 0x180n)
    const word = engine.run(0, 10)
    engine.completeLoad(0, 0xffff_ffff_8000_0000n)
    const store = engine.run(0, 10)
    engine.completeStore(0)
    const toZero = engine.run(0, 10)
    engine.completeLoad(0, 5n)
    const end = engine.run(0, 10)
    return firstWrong(
      expectFields("lb", byte, { kind: "io-load", address: DEVICE + 3n, virtualAddress: DEVICE + 3n, width: 1, retired: 0 }),
      expectSame("x6", engine.readRegister(0, 6), 2n ** 64n - 0x80n),
      expectFields("lwu", word, { kind: "io-load", address: DEVICE, width: 4 }),
      expectSame("x7", engine.readRegister(0, 7), 0x8000_0000n),
      expectFields("sh", store, { kind: "io-store", address: DEVICE + 2n, width: 2, value: 0x5678n }),
      expectFields("lw x0", toZero, { kind: "io-load", width: 4 }),
      expectFields("end", end, { kind: "system", instruction: ebreak, pc: RAM_BASE + 16n }),
      expectSame("x0", engine.readRegister(0, 0), 0n),
      expectSame("instret", engine.readInstret(0), 4n),
    )
  },
}

const noAtomicsOnDevices: EngineLaw = {
  law: "atomics outside RAM are access faults (LR 5, others 7); misaligned ones are misaligned (LR 4, others 6); fetches outside RAM are 1",
  check: (setting) => {
    const one = (instruction: number, address: bigint): ReturnType<typeof setting.run> => {
      setting.code([instruction, ebreak])
      setting.registers(0, { 5: address })
      return setting.run()
    }
    const lr = encode("lr.w", { rd: 6, rs1: 5 })
    const sc = encode("sc.w", { rd: 6, rs1: 5, rs2: 7 })
    const amo = encode("amoswap.d", { rd: 6, rs1: 5, rs2: 7 })
    return firstWrong(
      expectFields("lr", one(lr, DEVICE), { kind: "exception", cause: 5, value: DEVICE }),
      expectFields("sc", one(sc, DEVICE), { kind: "exception", cause: 7, value: DEVICE }),
      expectFields("amo", one(amo, DEVICE), { kind: "exception", cause: 7, value: DEVICE }),
      expectFields("lr misaligned", one(lr, DATA + 2n), { kind: "exception", cause: 4, value: DATA + 2n }),
      expectFields("sc misaligned", one(sc, DATA + 2n), { kind: "exception", cause: 6, value: DATA + 2n }),
      expectFields("amo misaligned", one(amo, DATA + 4n), { kind: "exception", cause: 6, value: DATA + 4n }),
      expectFields("fetch", one(encode("jalr", { rd: 0, rs1: 5 }), DEVICE), {
        kind: "exception",
        cause: 1,
        value: DEVICE,
        pc: DEVICE,
        retired: 1,
      }),
    )
  },
}

const LR = encode("lr.d", { rd: 6, rs1: 5 })
const SC = encode("sc.d", { rd: 7, rs1: 5, rs2: 8 })

const reservations: EngineLaw = {
  law: "SC fails without a reservation, and after another CPU or a device stored to the granule, the same value too",
  check: (setting) => {
    const { engine } = setting
    setting.code([LR, SC, ebreak])
    setting.registers(0, { 5: DATA, 8: 5n })
    setting.registers(1, { 5: DATA, 9: DATA + 56n, 10: DATA + 64n })
    /** LR on CPU 0, something on CPU 1 or a device, SC on CPU 0: did it fail? */
    const between = (disturb: () => void): bigint => {
      setting.write64(DATA, 0n)
      setting.run({ budget: 1 })
      disturb()
      engine.run(0, 10)
      return engine.readRegister(0, 7)
    }
    const onOther = (instruction: number) => (): void => {
      setting.code([instruction, ebreak], SECOND_CODE)
      setting.run({ cpu: 1, pc: SECOND_CODE })
    }
    setting.run({ pc: RAM_BASE + 4n, budget: 1 })
    return firstWrong(
      expectSame("without LR", engine.readRegister(0, 7), 1n),
      expectSame(
        "undisturbed",
        between(() => undefined),
        0n,
      ),
      expectSame("same value stored", between(onOther(encode("sd", { rs1: 5, rs2: 0 }))), 1n),
      expectSame("byte in the granule", between(onOther(encode("sb", { rs1: 9, rs2: 0 }))), 1n),
      expectSame("beyond the granule", between(onOther(encode("sd", { rs1: 10, rs2: 0 }))), 0n),
      expectSame("AMO", between(onOther(encode("amoor.d", { rd: 0, rs1: 5, rs2: 0 }))), 1n),
      expectSame("other CPU only loads", between(onOther(encode("ld", { rd: 6, rs1: 5 }))), 0n),
      expectSame(
        "device",
        between(() => engine.writeMemory(DATA + 8n, Uint8Array.of(1))),
        1n,
      ),
      expectSame("SC twice", (setting.run({ budget: 2 }), setting.run({ pc: RAM_BASE + 4n, budget: 1 }), engine.readRegister(0, 7)), 1n),
    )
  },
}

const changedCode: EngineLaw = {
  law: "changed code runs as changed, without fence.i: by its own store, another CPU's, a device's, and in the second half of a straddling instruction",
  check: (setting) => {
    const { engine } = setting
    const changed = encode("addi", { rd: 5, rs1: 0, immediate: 2 })
    const target = RAM_BASE + 0x100n
    const code = (): void => setting.code([encode("addi", { rd: 5, rs1: 0, immediate: 1 }), ebreak], target)
    const seen = (): bigint => (setting.run({ pc: target }), engine.readRegister(0, 5))
    setting.registers(0, { 10: target, 11: BigInt(changed) })
    setting.registers(1, { 10: target, 11: BigInt(changed) })
    code()
    const before = seen()
    setting.code([encode("sw", { rs1: 10, rs2: 11 }), encode("jal", { rd: 0, immediate: 0xfc })])
    setting.run()
    const own = engine.readRegister(0, 5)
    code()
    const restored = seen()
    setting.run({ cpu: 1, budget: 1 })
    const other = seen()
    const last = RAM_BASE + 0x2ffen
    setting.code([encode("addi", { rd: 5, rs1: 0, immediate: 1 }), ebreak], last)
    setting.run({ pc: last })
    const straddling = engine.readRegister(0, 5)
    engine.writeMemory(last + 2n, Uint8Array.of(0x20, 0x00)) // immediate 2: raw bits 20 up
    setting.run({ pc: last })
    const straddlingChanged = engine.readRegister(0, 5)
    return expectSame("values", [before, own, restored, other, straddling, straddlingChanged].join(), "1,2,1,2,1,2")
  },
}

const changedHalf: EngineLaw = {
  law: "a store to the second half of an instruction changes it",
  check: (setting) => {
    const target = RAM_BASE + 0x100n
    setting.code([encode("addi", { rd: 5, rs1: 0, immediate: 1 }), ebreak], target)
    setting.run({ pc: target })
    setting.registers(0, { 10: target, 11: 0x0020n }) // immediate 2: raw bits 20 up
    setting.code([encode("sh", { rs1: 10, rs2: 11, immediate: 2 }), ebreak])
    setting.run()
    setting.run({ pc: target })
    return expectSame("x5", setting.engine.readRegister(0, 5), 2n)
  },
}

/** Unprivileged manual, "M", table of results for division by zero and overflow, as 64-bit and as 32-bit values. */
const DIVISIONS: readonly (readonly [name: string, a: bigint, b: bigint, result: bigint])[] = [
  ["div", 7n, 0n, -1n], ["divu", 7n, 0n, -1n], ["rem", 7n, 0n, 7n], ["remu", 7n, 0n, 7n],
  ["div", -(1n << 63n), -1n, -(1n << 63n)], ["rem", -(1n << 63n), -1n, 0n],
  ["divw", 7n, 1n << 32n, -1n], ["divuw", 7n, 1n << 32n, -1n], ["remw", 0x1_8000_0000n, 0n, -(1n << 31n)], ["remuw", 0x1_8000_0000n, 0n, -(1n << 31n)],
  ["divw", -(1n << 31n), -1n, -(1n << 31n)], ["divw", 0x8000_0000n, 0xffff_ffffn, -(1n << 31n)], ["remw", -(1n << 31n), -1n, 0n],
  ["div", -7n, 2n, -3n], ["rem", -7n, 2n, -1n], ["divw", -7n, 2n, -3n], ["remw", -7n, 2n, -1n],
] // prettier-ignore

const divisionTable: EngineLaw = {
  law: "division by zero and overflow give the results of the manual's table",
  check: (setting) => {
    for (const [name, a, b, result] of DIVISIONS) {
      setting.code([encode(name, { rd: 7, rs1: 5, rs2: 6 }), ebreak])
      setting.registers(0, { 5: a, 6: b })
      setting.run()
      const wrong = expectSame(`${name} ${a} ${b}`, setting.engine.readRegister(0, 7), BigInt.asUintN(64, result))
      if (wrong !== undefined) return wrong
    }
    return undefined
  },
}

const wordCounts: EngineLaw = {
  law: "clzw, ctzw and cpopw look at the low word only (found against qemu 7.2, whose ctzw does not)",
  check: (setting) => {
    const count = (name: string, a: bigint): bigint => {
      setting.code([encode(name, { rd: 7, rs1: 5 }), ebreak])
      setting.registers(0, { 5: a })
      setting.run()
      return setting.engine.readRegister(0, 7)
    }
    return firstWrong(
      expectSame("ctzw", count("ctzw", 1n << 56n), 32n),
      expectSame("clzw", count("clzw", 1n << 56n), 32n),
      expectSame("cpopw", count("cpopw", (1n << 56n) | 3n), 2n),
      expectSame("ctz", count("ctz", 0n), 64n),
    )
  },
}

const manyCodePages: EngineLaw = {
  law: "more code pages than the cache holds run right, also the second time round",
  check: (setting) => {
    const pages = STAGE_MEMORY_BYTES / 4096
    const step = [
      addOne(5),
      encode("lui", { rd: 6, immediate: 0x1000 }),
      encode("add", { rd: 7, rs1: 7, rs2: 6 }),
      encode("jalr", { rd: 0, rs1: 7 }),
    ]
    for (let page = 0; page < pages - 1; page++) setting.code(step, RAM_BASE + BigInt(page * 4096))
    setting.code([ebreak], RAM_BASE + BigInt((pages - 1) * 4096))
    for (let round = 0; round < 2; round++) {
      setting.registers(0, { 5: 0n, 7: RAM_BASE })
      const exit = setting.run({ budget: 4 * pages })
      const wrong = firstWrong(
        expectFields("end", exit, { kind: "system", retired: 4 * (pages - 1) }),
        expectSame("x5", setting.engine.readRegister(0, 5), BigInt(pages - 1)),
      )
      if (wrong !== undefined) return wrong
    }
    return undefined
  },
}

const watched: EngineLaw = {
  law: "a store to a watched page completes and ends the run there",
  check: (setting) => {
    const { engine } = setting
    setting.code([addOne(6), encode("sd", { rs1: 5, rs2: 6, immediate: 8 }), addOne(6), ebreak])
    setting.registers(0, { 5: DATA, 6: 0n })
    setting.run() // a writable look-up entry is there before the page is watched
    engine.watchPage(DATA, "watched")
    setting.registers(0, { 6: 6n })
    const exit = setting.run()
    engine.watchPage(DATA, "unwatched")
    const free = setting.run()
    return firstWrong(
      expectFields("watched", exit, { kind: "watch", address: DATA + 8n, pc: RAM_BASE + 8n, retired: 2 }),
      expectFields("not watched", free, { kind: "system", retired: 3 }),
    )
  },
}

const illegal: EngineLaw = {
  law: "what is no instruction of RV64IMAC_Zba_Zbb_Zbs is illegal with its bits as value, F and D among them",
  check: (setting) => {
    const cases = [
      { raw: 0, value: 0n }, { raw: 0xffffffff, value: 0xffffffffn }, { raw: 0x00007007, value: 0x7007n /* flq */ }, { raw: 0x02007053, value: 0x02007053n /* fadd.d */ },
      { raw: 0x2000, value: 0x2000n /* c.fld */ }, { raw: 0x8000, value: 0x8000n /* reserved */ }, { raw: 0x8002, value: 0x8002n /* c.jr x0 */ },
    ] // prettier-ignore
    for (const { raw, value } of cases) {
      setting.code([raw, ebreak])
      const wrong = expectFields(`0x${raw.toString(16)}`, setting.run(), { kind: "exception", cause: 2, value, pc: RAM_BASE, retired: 0 })
      if (wrong !== undefined) return wrong
    }
    return undefined
  },
}

export const EXECUTION_LAWS: readonly EngineLaw[] = [
  exactCount, pageEnd, zeroRegister, deviceAccess, noAtomicsOnDevices, reservations, changedCode, changedHalf, divisionTable, wordCounts, manyCodePages, watched, illegal,
] // prettier-ignore
