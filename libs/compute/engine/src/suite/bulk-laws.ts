/** Loops that fill or copy, done many rounds at once (assembly/bulk.ts): one step at a time they end alike, wherever they are cut. */
import { Random } from "@backplane/foundation-base/random"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { ebreak, expectSame, firstWrong } from "./setting.ts"
import type { EngineLaw, Setting } from "./setting.ts"

const CASES = 60
const PAGE = 4096
const PAGES = 4
const DATA = RAM_BASE + 0x10_0000n
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
  const start = DATA + BigInt(random.below(2 * PAGE))
  const length = BigInt(random.pick([1, 2, 9, 40, 300, 3000, 6000]))
  const other = random.chance(0.4) ? start + BigInt(random.below(64) - 32) : DATA + BigInt(random.below(2 * PAGE))
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

/** Memory, registers and how it ended after so many instructions. */
function ran(
  setting: Setting,
  { code, registers }: Loop,
  { most, cut, watched }: { most: number; cut: () => number; watched: bigint | null },
): string {
  const { engine } = setting
  engine.writeMemory(
    DATA - BigInt(PAGE),
    Uint8Array.from({ length: (PAGES + 2) * PAGE }, (_, index) => (index * 7 + (index >> 8)) & 0xff),
  )
  setting.code(code)
  setting.registers(0, registers)
  if (watched !== null) engine.watchPage(watched, "watched")
  engine.writePc(0, RAM_BASE)
  let retired = 0
  const stops: string[] = []
  while (retired < most) {
    const exit = engine.run(0, Math.min(most - retired, cut()))
    retired += exit.retired
    if (exit.kind !== "budget") stops.push(`${exit.kind} after ${retired}`)
    if (exit.kind !== "budget" && exit.kind !== "watch") break
  }
  if (watched !== null) engine.watchPage(watched, "unwatched")
  const { registers: values, pc } = engine.captureCpu(0)
  const memory = engine.readMemory(DATA - BigInt(PAGE), (PAGES + 2) * PAGE)
  const digest = memory.reduce((sum, byte) => (sum * 31 + byte) % 0xffff_fffb, 7)
  return `${retired} retired, pc ${pc.toString(16)}, ${stops.join(", ")}, memory ${digest}, ${values.map((value) => value.toString(16)).join(" ")}`
}

const oneByOne: EngineLaw = {
  law: "a loop that fills or copies ends as one instruction at a time, wherever it is cut",
  check: (setting) => {
    const random = new Random(12)
    for (let number = 0; number < CASES; number++) {
      const loop = drawLoop(random)
      const most = random.pick([35_000, random.between(1, 5000)])
      const watched = random.chance(0.2) ? DATA + BigInt(PAGE) : null
      const wanted = ran(setting, loop, { most, watched, cut: () => 1 })
      const wrong = firstWrong(
        expectSame(`loop ${number} whole`, ran(setting, loop, { most, watched, cut: () => most }), wanted),
        expectSame(`loop ${number} cut`, ran(setting, loop, { most, watched, cut: () => random.between(1, 900) }), wanted),
      )
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
