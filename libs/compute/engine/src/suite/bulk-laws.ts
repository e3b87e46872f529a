/** Loops that fill or copy, done many rounds at once (assembly/bulk.ts): one step at a time they end alike, wherever they are cut. */
import { Random } from "@backplane/foundation-base/random"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { ebreak, expectSame, PTE } from "./setting.ts"
import type { EngineLaw, Setting } from "./setting.ts"

const CASES = 40
/** More than any of the loops takes. */
const MOST = 23_000
const PAGE = 4096
const DATA = RAM_BASE + 0x10_0000n
/** The frames of DATA, in another order: the end of a page is the end of what lies side by side. */
const VIRTUAL = 0x4000_0000n
const FRAMES = [2n, 0n, 5n, 3n, 1n, 4n]
/** Registers of the loops: counted up, its end, the other one that is counted up, the byte. */
const [X, Y, Z, V] = [15, 14, 13, 12]
/** c.addi x, x, 1 */
const shortStep = (register: number): number => 0x0005 | (register << 7)
const step = (random: Random, register: number): number =>
  random.chance(0.5) ? shortStep(register) : encode("addi", { rd: register, rs1: register, immediate: 1 })

interface Loop {
  readonly code: readonly number[]
  readonly registers: Readonly<Record<number, bigint>>
}

/** Bytes of the code so far: how far back its head is. */
const backOver = (code: readonly number[]): number => code.reduce((bytes, raw) => bytes + ((raw & 3) === 3 ? 4 : 2), 0)

/** Now and then not quite the loop that it looks like. */
function drawLoop(random: Random): Loop {
  const offset = random.pick([0, 0, -1, 1, 7])
  const start = VIRTUAL + BigInt(PAGE + random.below(2 * PAGE))
  const length = BigInt(random.pick([1, 2, 9, 40, 300, 3000, 4500]))
  const other = random.chance(0.4) ? start + BigInt(random.below(64) - 32) : VIRTUAL + BigInt(PAGE + random.below(2 * PAGE))
  const odd = random.chance(0.25)
  const registers = { [X]: start, [Y]: start + length, [Z]: other, [V]: BigInt(random.below(2 ** 16)) }
  const body = random.chance(0.5)
    ? [encode("sb", { rs1: X, rs2: odd ? random.pick([X, Y, 0]) : V, immediate: offset }), step(random, odd ? random.pick([X, Z]) : X)]
    : [
        ...[step(random, X), step(random, odd ? random.pick([X, Z]) : Z)],
        encode("lbu", { rd: odd ? random.pick([V, Z, Y, 0]) : V, rs1: odd ? random.pick([X, Z]) : X, immediate: -1 }),
        encode("sb", { rs1: Z, rs2: V, immediate: random.pick([-1, offset]) }),
      ]
  return { code: [...body, encode("bne", { rs1: X, rs2: Y, immediate: -backOver(body) }), ebreak], registers }
}

interface Run {
  readonly most: number
  /** Instructions between two looks. */
  readonly stretch: number
  readonly watched: bigint | null
}

/** Registers at each look, and memory at the end. `atOnce`: the most that the engine is given. */
function ran(setting: Setting, { code, registers }: Loop, { most, stretch, watched, atOnce }: Run & { readonly atOnce: number }): string {
  const { engine } = setting
  const bytes = Uint8Array.from({ length: FRAMES.length * PAGE }, (_, index) => (index * 7 + (index >> 8)) & 0xff)
  engine.writeMemory(DATA, bytes)
  setting.code(code)
  setting.registers(0, registers)
  if (watched !== null) engine.watchPage(watched, "watched")
  engine.writePc(0, RAM_BASE)
  const looks: string[] = []
  let retired = 0
  let isOver = false
  while (retired < most && !isOver) {
    const next = Math.min(most, retired + stretch)
    while (retired < next && !isOver) {
      const exit = engine.run(0, Math.min(next - retired, atOnce))
      retired += exit.retired
      if (exit.kind !== "budget") looks.push(`${exit.kind} after ${retired}`)
      isOver = exit.kind !== "budget" && exit.kind !== "watch"
    }
    looks.push([X, Y, Z, V].map((register) => engine.readRegister(0, register).toString(16)).join(" "))
  }
  if (watched !== null) engine.watchPage(watched, "unwatched")
  const digest = engine.readMemory(DATA, bytes.length).reduce((sum, byte) => (sum * 31 + byte) % 0xffff_fffb, 7)
  return `${retired} retired, pc ${engine.readPc(0).toString(16)}, memory ${digest}, ${looks.join("; ")}`
}

const oneByOne: EngineLaw = {
  law: "a loop that fills or copies ends as one instruction at a time, wherever it is cut",
  check: (setting) => {
    const random = new Random(3)
    const flags = PTE.V | PTE.R | PTE.W | PTE.A | PTE.D
    FRAMES.forEach((frame, page) => setting.map(VIRTUAL + BigInt(page * PAGE), DATA + frame * BigInt(PAGE), flags))
    setting.map(RAM_BASE, RAM_BASE, flags | PTE.X, 2)
    setting.paging(1)
    for (let number = 0; number < CASES; number++) {
      const loop = drawLoop(random)
      const most = random.pick([MOST, random.between(1, 5000)])
      const watched = random.chance(0.3) ? DATA + BigInt(PAGE) * random.pick(FRAMES) : null
      const run = { most, watched, stretch: random.pick([MOST, random.between(40, 900)]) }
      const wrong = expectSame(`loop ${number}`, ran(setting, loop, { ...run, atOnce: MOST }), ran(setting, loop, { ...run, atOnce: 1 }))
      if (wrong !== undefined) return wrong
    }
    return undefined
  },
}

const otherReservations: EngineLaw = {
  law: "a loop that fills breaks the reservation of another CPU in its way",
  check: (setting) => {
    const { engine } = setting
    const fill = [encode("sb", { rs1: X, rs2: V, immediate: 0 }), shortStep(X)]
    setting.code([...fill, encode("bne", { rs1: X, rs2: Y, immediate: -backOver(fill) }), ebreak])
    setting.registers(0, { [X]: DATA, [Y]: DATA + 64n, [V]: 1n })
    setting.run()
    engine.writeReservation(1, DATA + 128n)
    setting.registers(0, { [X]: DATA, [Y]: DATA + 512n })
    setting.run({ budget: 5000 })
    return expectSame("reservation", engine.readReservation(1), null)
  },
}

export const BULK_LAWS: readonly EngineLaw[] = [oneByOne, otherReservations]
