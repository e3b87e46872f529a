/** Laws of `findRound`: it finds loops that nothing inside can end, only those, and steps as ordinary execution does. */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode, encodeCompressed } from "@backplane/compute-riscv/encode"
import { COMPRESSED } from "@backplane/compute-riscv/table-compressed"
import { expectSame, firstWrong } from "./setting.ts"
import type { EngineLaw } from "./setting.ts"

const MOST = 48
const DATA = RAM_BASE + 0x10_0000n
const NOP = encode("addi", {})

const load = encode("lw", { rd: 6, rs1: 8, immediate: 0 })
const back = (bytes: number): number => encode("jal", { rd: 0, immediate: -bytes })
const compressedStore = ((): number => {
  const form = COMPRESSED.find(({ name }) => name === "c.sw")
  return form === undefined ? 0 : encodeCompressed(form, { rs1: 8, rs2: 9, immediate: 0 })
})()

/** Before the loop: the page has an entry in the look-up TLB then, and the word at DATA is 0, or is not. */
const TOUCH = encode("sd", { rs1: 8, rs2: 9, immediate: 0 })
const FILL = encode("sd", { rs1: 8, rs2: 8, immediate: 0 })
/** x6 goes in, what was there comes into x6: a round of two values. */
const swapTwo = [encode("amoswap.d", { rd: 6, rs1: 8, rs2: 6 }), NOP, NOP]

interface Loop {
  readonly name: string
  /** With x8 at DATA, x9 = 0; the jump back comes after. */
  readonly body: readonly number[]
  readonly bytes: number
  /** Instructions of the body before the loop. */
  readonly first?: number
  readonly round: number | null
  /** A step left the engine. */
  readonly leaves?: true
}

const LOOPS: readonly Loop[] = [
  { name: "that polls a word", body: [load, NOP], bytes: 8, round: 3 },
  {
    name: "that goes away and comes back",
    body: [load, encode("addi", { rd: 6, rs1: 6, immediate: 1 }), encode("addi", { rd: 6 })],
    bytes: 12,
    round: 4,
  },
  { name: "that counts", body: [encode("addi", { rd: 7, rs1: 7, immediate: 1 })], bytes: 4, round: null },
  { name: "that stores", body: [encode("sw", { rs1: 8, rs2: 9, immediate: 0 })], bytes: 4, round: null },
  { name: "that stores in 16 bits", body: [compressedStore, 0x0001], bytes: 4, round: null },
  { name: "that swaps in what is there", body: [TOUCH, encode("amoswap.w", { rd: 7, rs1: 8, rs2: 9 })], bytes: 4, first: 1, round: 2 },
  { name: "that swaps two values", body: [FILL, ...swapTwo], bytes: 12, first: 1, round: null },
  { name: "that adds", body: [TOUCH, encode("amoadd.d", { rd: 0, rs1: 8, rs2: 8 })], bytes: 4, first: 1, round: null },
  { name: "that reserves", body: [TOUCH, encode("lr.w", { rd: 7, rs1: 8 })], bytes: 4, first: 1, round: null },
  { name: "that stores if it can", body: [encode("sc.w", { rd: 7, rs1: 8, rs2: 9 })], bytes: 4, round: null },
  { name: "that asks the host", body: [0xc010_2073], bytes: 4, round: null },
  { name: "that polls a device", body: [encode("lw", { rd: 6, rs1: 0, immediate: 0 })], bytes: 4, round: null, leaves: true },
  { name: "longer than looked at", body: Array.from({ length: MOST }, () => NOP), bytes: 4 * MOST, round: null },
]

export const ROUND_LAWS: readonly EngineLaw[] = LOOPS.map(({ name, body, bytes, round, leaves, first = 0 }) => ({
  law: `a loop ${name} ${round === null ? "is no idle loop" : "is found"}`,
  check: (setting) => {
    const { engine } = setting
    setting.code([...body, back(bytes)])
    setting.registers(0, { 6: 0n, 7: 0n, 8: DATA, 9: 0n })
    engine.writePc(0, RAM_BASE)
    if (first > 0) engine.run(0, first)
    // Once round, so that what the first round alone does is done.
    if (leaves === undefined && round !== null) engine.run(0, round)
    const before = engine.readInstret(0)
    const found = engine.findRound(0, MOST)
    return firstWrong(
      expectSame("the round", found.round, round),
      expectSame("steps are instructions", engine.readInstret(0) - before, BigInt(found.steps)),
      expectSame("no more than asked", found.steps <= MOST, true),
      expectSame("a step left", found.exit?.kind ?? null, leaves === undefined ? null : "io-load"),
    )
  },
}))
