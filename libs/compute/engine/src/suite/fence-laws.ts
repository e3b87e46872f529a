/** Laws of fences that forget nothing while no table was written: whoever writes one, and however, the next fence forgets. */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { PTE, ebreak, expectSame, firstWrong } from "./setting.ts"
import type { EngineLaw, Setting } from "./setting.ts"

const { V, R, W, X, A, D } = PTE
const VIRTUAL = 0x40_0000_0000n - 0x20_0000n
const SIBLING = VIRTUAL + 0x1000n
const OLD = RAM_BASE + 0x10_0000n
const NEW = RAM_BASE + 0x10_1000n
const CODE_FRAME = RAM_BASE + 0x1000n
/** Where the tables are mapped for stores. */
const WINDOW = 0x1000_0000n
const LEAF = V | R | W | A | D

const entryOf = (frame: bigint): bigint => ((frame >> 12n) << 10n) | LEAF

interface Stage {
  readonly setting: Setting
  /** Address of the entry of VIRTUAL. */
  readonly entry: bigint
  /** The virtual address of a physical one in a table. */
  windowTo(address: bigint): bigint
}

/** Two pages hold 1 and 2; VIRTUAL leads to the first and has been read, so the engine knows the way. */
function stage(setting: Setting): Stage {
  setting.write64(OLD, 1n)
  setting.write64(NEW, 2n)
  const entry = setting.map(VIRTUAL, OLD, LEAF)
  setting.map(SIBLING, NEW, LEAF)
  for (let at = setting.root; at < setting.root + 0x1_0000n; at += 0x1000n) setting.map(WINDOW + (at - setting.root), at, LEAF)
  setting.map(CODE_FRAME, CODE_FRAME, V | R | X | A)
  for (const cpu of [0, 1]) {
    setting.engine.privileged?.serve(cpu, {
      traps: "leave",
      spaces: false,
      translations: "own",
      supervisorCalls: "trap",
      exits: "none",
      rounds: "none",
      tables: "noted",
    })
    setting.paging(1, {}, cpu)
    setting.engine.privileged?.fence(cpu)
  }
  return { setting, entry, windowTo: (address) => WINDOW + (address - setting.root) }
}

function execute({ setting }: Stage, instructions: readonly number[], registers: Readonly<Record<number, bigint>>, cpu = 0): void {
  setting.code([...instructions, ebreak], CODE_FRAME)
  setting.registers(cpu, registers)
  setting.run({ cpu, pc: CODE_FRAME })
}

/** What a load at an address gives on a CPU now. */
function loaded(on: Stage, address: bigint, cpu = 0): bigint {
  execute(on, [encode("ld", { rd: 7, rs1: 5, immediate: 0 })], { 5: address }, cpu)
  return on.setting.engine.readRegister(cpu, 7)
}

type Write = (on: Stage, entry: bigint, value: bigint) => void

const stores = (instructions: readonly number[], cpu = 0): Write => {
  return (on, entry, value) => execute(on, instructions, { 5: on.windowTo(entry), 6: value }, cpu)
}

const SD = [encode("sd", { rs1: 5, rs2: 6, immediate: 0 })]
const WRITES: Readonly<Record<string, Write>> = {
  "a store": stores(SD),
  "a store of another CPU": stores(SD, 1),
  "two stores of half a word": stores([
    encode("sw", { rs1: 5, rs2: 6, immediate: 0 }),
    encode("srli", { rd: 6, rs1: 6, immediate: 32 }),
    encode("sw", { rs1: 5, rs2: 6, immediate: 4 }),
  ]),
  "an atomic swap": stores([encode("amoswap.d", { rd: 0, rs1: 5, rs2: 6 })]),
  "a store-conditional": stores([encode("lr.d", { rd: 8, rs1: 5 }), encode("sc.d", { rd: 8, rs1: 5, rs2: 6 })]),
  "a device": ({ setting }, entry, value) => setting.write64(entry, value),
}

const noticed: readonly EngineLaw[] = Object.entries(WRITES).map(([name, write]) => ({
  law: `a fence after ${name} into a table forgets what came from it, on every CPU, and again the second time`,
  check: (setting) => {
    const on = stage(setting)
    const { privileged } = setting.engine
    if (privileged === null) return undefined
    const before = [0, 1].map((cpu) => loaded(on, VIRTUAL, cpu))
    for (const cpu of [0, 1]) {
      privileged.fence(cpu)
      loaded(on, VIRTUAL, cpu)
    }
    write(on, on.entry, entryOf(NEW))
    for (const cpu of [0, 1]) privileged.fence(cpu)
    const after = [0, 1].map((cpu) => loaded(on, VIRTUAL, cpu))
    write(on, on.entry, entryOf(OLD))
    for (const cpu of [0, 1]) privileged.fence(cpu, VIRTUAL)
    const again = [0, 1].map((cpu) => loaded(on, VIRTUAL, cpu))
    return firstWrong(
      expectSame("before", before.join(), "1,1"),
      expectSame("after", after.join(), "2,2"),
      expectSame("again", again.join(), "1,1"),
    )
  },
}))

const upper: EngineLaw = {
  law: "a fence after a store into an upper table forgets what came through it",
  check: (setting) => {
    const on = stage(setting)
    const { privileged } = setting.engine
    if (privileged === null) return undefined
    const middleEntry = setting.root + ((VIRTUAL >> 30n) & 511n) * 8n
    const other = setting.newTable()
    const leafTable = setting.newTable()
    setting.write64(other + ((VIRTUAL >> 21n) & 511n) * 8n, ((leafTable >> 12n) << 10n) | V)
    setting.write64(leafTable + ((VIRTUAL >> 12n) & 511n) * 8n, entryOf(NEW))
    const before = loaded(on, VIRTUAL)
    privileged.fence(0)
    loaded(on, VIRTUAL)
    WRITES["a store"]?.(on, middleEntry, ((other >> 12n) << 10n) | V)
    privileged.fence(0)
    return firstWrong(expectSame("before", before, 1n), expectSame("after", loaded(on, VIRTUAL), 2n))
  },
}

/** Bytes from the entry of VIRTUAL to one that is not used. */
const UNUSED = 0x700n

const knownWay: EngineLaw = {
  law: "a store into a table is noted, though the way to store there was known before a walk read it",
  check: (setting) => {
    const on = stage(setting)
    const { privileged } = setting.engine
    if (privileged === null) return undefined
    const seen = [0, 1].map((writer) => {
      setting.write64(on.entry, entryOf(OLD))
      for (const cpu of [0, 1]) privileged.fence(cpu)
      stores(SD, writer)(on, on.entry + UNUSED, 0n)
      const before = loaded(on, VIRTUAL)
      stores(SD, writer)(on, on.entry, entryOf(NEW))
      privileged.fence(0)
      return `${before} ${loaded(on, VIRTUAL)}`
    })
    return expectSame("before and after, by CPU", seen.join(), "1 2,1 2")
  },
}

const ofOnePage: EngineLaw = {
  law: "after the fence of one page, changes elsewhere still count at the next fence",
  check: (setting) => {
    const on = stage(setting)
    const { privileged } = setting.engine
    if (privileged === null) return undefined
    const before = [loaded(on, VIRTUAL), loaded(on, SIBLING)]
    WRITES["a store"]?.(on, on.entry, entryOf(NEW))
    WRITES["a store"]?.(on, on.entry + 8n, entryOf(OLD))
    privileged.fence(0, VIRTUAL)
    const first = loaded(on, VIRTUAL)
    privileged.fence(0)
    return firstWrong(
      expectSame("before", before.join(), "1,2"),
      expectSame("the page", first, 2n),
      expectSame("the other", loaded(on, SIBLING), 1n),
    )
  },
}

const costsNothing: EngineLaw = {
  law: "a fence with no table written keeps the look-ups; accessed and dirty bits that the walk sets are no such write",
  check: (setting) => {
    const on = stage(setting)
    const { engine } = setting
    if (engine.privileged === null) return undefined
    const data = setting.map(VIRTUAL + 0x4000n, OLD, V | R | W)
    execute(on, SD, { 5: VIRTUAL + 0x4000n, 6: 1n })
    const known = engine.lookUps(0).length
    engine.privileged.fence(0)
    return firstWrong(
      expectSame("accessed and dirty", setting.read64(data) & (A | D), A | D),
      expectSame("look-ups are there", known > 0, true),
      expectSame("look-ups", engine.lookUps(0).length, known),
    )
  },
}

export const FENCE_LAWS: readonly EngineLaw[] = [...noticed, upper, knownWay, ofOnePage, costsNothing]
