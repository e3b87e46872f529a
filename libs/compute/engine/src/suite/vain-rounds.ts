/**
 * A CPU that says it came round in its kernel in vain (assembly/kernel-rounds.ts) is never wrong: random loops that store, swap, fill, ask devices and work on their stack, cut
 * anywhere, while the host, another CPU and interrupts meddle. Each time it says so, a twin goes on from that very state alone, one instruction at a time: it must come back to it.
 * And a loop that does nothing is found.
 */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { encode } from "@backplane/compute-riscv/encode"
import { Random } from "@backplane/foundation-base/random"
import type { Engine, EngineOptions } from "@backplane/compute-contract/engine"
import type { PrivilegedCpus, ServingHow } from "@backplane/compute-contract/privileged"

const MEMORY_BYTES = 0x2_0000
const HANDLER = RAM_BASE + 0x4000n
const WRITER = RAM_BASE + 0x5000n
/** x8: here lie words, the first is the flag. x2: the stack. Both go over the end of a page. */
const DATA = RAM_BASE + 0x8c00n
const STACK = RAM_BASE + 0xac00n
/** x18: what is filled, x19: where that ends; and where the loop of more words than a CPU keeps has its end. */
const BUFFER = RAM_BASE + 0x1_0000n
const BUFFER_END = BUFFER + 64n
const MANY_END = BUFFER + 6800n
/** x23: in a page whose stores the host is told of. */
const WATCHED = RAM_BASE + 0x1_3000n
/** From the stack: four bytes before the end of its page. */
const OVER_PAGE = 1020
/** From the stack: a word of the loop that counts in each round, and of nothing else. */
const NOBODY_ELSES = 400
const PRIVILEGE = 0
const SUPERVISOR = 1n
const ON = 0x1001_6073
/** csrr x6, sscratch; csrw sscratch, x6 */
const [READ_SCRATCH, WRITE_SCRATCH] = [0x1400_2373, 0x1403_1073]
const CLAIMS = 3
/** Runs of so many instructions at most, so that a round of a hundred is cut anywhere; one of ten is long enough for all. */
const RUNS = 160
const BUDGET_MAX = 60
const BUDGET_LONG = 60_000
/** A round is shorter than this. */
const TWIN_STEPS = 60_000

type Meddler = "nobody" | "host" | "sibling" | "interrupt"

interface Statement {
  readonly words: readonly number[]
  /** It changes something each time. */
  readonly works: boolean
}

interface Loop {
  readonly code: readonly number[]
  /** Some round of it may change something. */
  readonly works: boolean
  /** Each does, whatever others do. */
  readonly always: boolean
}

const addi = (rd: number, rs1: number, immediate: number): number => encode("addi", { rd, rs1, immediate })
const loadDouble = (rd: number, rs1: number, immediate: number): number => encode("ld", { rd, rs1, immediate })
const storeDouble = (rs1: number, rs2: number, immediate: number): number => encode("sd", { rs1, rs2, immediate })
const CLEAR = [addi(6, 0, 0), addi(7, 0, 0)]

/** Counts at `base` + `at` by loads and stores of those names; its registers come back. */
function counting(base: number, at: number, [load, store]: readonly [string, string] = ["ld", "sd"]): readonly number[] {
  return [encode(load, { rd: 6, rs1: base, immediate: at }), addi(6, 6, 1), encode(store, { rs1: base, rs2: 6, immediate: at }), ...CLEAR]
}

/** Counts in the upper half of what it stores: over the end of a word, or of a page. */
const highHalf = (at: number): readonly number[] => [
  encode("lw", { rd: 6, rs1: 2, immediate: at + 4 }),
  addi(6, 6, 1),
  encode("slli", { rd: 6, rs1: 6, immediate: 32 }),
  storeDouble(2, 6, at),
  ...CLEAR,
]

/** Counts to five, and does nothing from then on. */
const countingToFive = (at: number): readonly number[] => [
  loadDouble(6, 2, at),
  encode("sltiu", { rd: 7, rs1: 6, immediate: 5 }),
  encode("add", { rd: 6, rs1: 6, rs2: 7 }),
  storeDouble(2, 6, at),
  ...CLEAR,
]

/** The bytes from x18 to the one before `end` become x7. */
const filling = (end: number): readonly number[] => [
  addi(20, 18, 0),
  encode("sb", { rs1: 20, rs2: 7, immediate: 0 }),
  addi(20, 20, 1),
  encode("bne", { rs1: 20, rs2: end, immediate: -8 }),
  addi(20, 0, 0),
]

function idle(random: Random): readonly number[] {
  const at = 8 * random.between(1, 40)
  const kinds: readonly (readonly number[])[] = [
    [addi(6, 0, 1), encode("amoswap.w", { rd: 6, rs1: 8, rs2: 6 }), encode("sw", { rs1: 8, rs2: 0, immediate: 0 }), ...CLEAR],
    [storeDouble(2, 8, at), loadDouble(6, 2, at), ...CLEAR],
    [storeDouble(2, 0, at), ...counting(2, at), storeDouble(2, 0, at)],
    [addi(21, 8, at), addi(6, 0, 1), encode("amoadd.d", { rd: 0, rs1: 21, rs2: 6 }), addi(6, 0, -1), encode("amoadd.d", { rd: 0, rs1: 21, rs2: 6 }), ...CLEAR],
    [addi(21, 8, at), encode("lr.d", { rd: 6, rs1: 21 }), encode("sc.d", { rd: 7, rs1: 21, rs2: 6 }), ...CLEAR],
    filling(19),
    countingToFive(at),
    [ON],
    [READ_SCRATCH, WRITE_SCRATCH, ...CLEAR],
  ] // prettier-ignore
  return random.pick(kinds)
}

function work(random: Random): readonly number[] {
  const at = 8 * random.between(1, 40)
  const kinds: readonly (readonly number[])[] = [
    counting(2, at),
    counting(8, at, ["lw", "sw"]),
    counting(2, at, ["lbu", "sb"]),
    highHalf(at + 4),
    highHalf(OVER_PAGE),
    [storeDouble(23, 0, 0)],
    [addi(21, 8, at), addi(6, 0, 1), encode("amoadd.d", { rd: 0, rs1: 21, rs2: 6 }), ...CLEAR],
    [addi(21, 8, at), encode("lr.d", { rd: 6, rs1: 21 }), addi(6, 6, 1), encode("sc.d", { rd: 7, rs1: 21, rs2: 6 }), ...CLEAR],
    [encode("lbu", { rd: 7, rs1: 18, immediate: 0 }), addi(7, 7, 1), ...filling(19), ...CLEAR],
    [...filling(22), ...counting(2, at)],
    [READ_SCRATCH, addi(6, 6, 1), WRITE_SCRATCH, ...CLEAR],
    [encode("ld", { rd: 6, rs1: 0, immediate: 0 }), ...CLEAR],
  ] // prettier-ignore
  return random.pick(kinds)
}

/** What it does if the flag is set, or is not. */
function guarded(random: Random): readonly number[] {
  const body = random.chance(0.5) ? counting(2, 8 * random.between(1, 40)) : idle(random)
  const branch = encode(random.chance(0.5) ? "beq" : "bne", { rs1: 6, rs2: 0, immediate: 4 * (body.length + 1) })
  return [loadDouble(6, 8, 0), branch, ...body, ...CLEAR]
}

function statement(random: Random): Statement {
  return random.chance(0.1) ? { words: guarded(random), works: true } : { words: idle(random), works: false }
}

function loopOf(random: Random, meddler: Meddler): Loop {
  const statements = Array.from({ length: random.between(1, 6) }, () => statement(random))
  // What others write is seen by its branch alone.
  if (meddler === "host" || meddler === "sibling") statements.unshift({ words: guarded(random), works: true })
  else if (random.chance(0.4)) statements.push({ words: work(random), works: true })
  const always = random.chance(0.15)
  if (always) statements.push({ words: counting(2, NOBODY_ELSES), works: true })
  // The flag is taken back: what an interrupt did is undone by whoever looks for it.
  const takesBack = random.chance(0.4)
  const guard = takesBack ? [...guarded(random), storeDouble(8, 0, 0)] : []
  const body = [ON, ...statements.flatMap(({ words }) => words), ...guard]
  const works = takesBack || statements.some((one) => one.works)
  return { code: [...body, encode("jal", { rd: 0, immediate: -4 * body.length })], works, always }
}

/** All that the CPU may serve by itself, and is to say when it has come round. */
export const SERVING: ServingHow = {
  traps: "served",
  spaces: true,
  translations: "own",
  supervisorCalls: "trap",
  exits: "none",
  rounds: "told",
  tables: "noted",
}

export interface VainFindings {
  /** The first that is wrong; null: nothing. */
  readonly wrong: string | null
  /** How often a loop was said to have come round in vain, and of how many that were sure to. */
  readonly claims: number
  readonly idle: number
}

export function checkVainRounds(
  engineOf: (options: EngineOptions) => Engine,
  options: { readonly seed: number; readonly loops: number },
): VainFindings {
  const engine = engineOf({ memoryBytes: MEMORY_BYTES, cpus: 2 })
  const twin = engineOf({ memoryBytes: MEMORY_BYTES, cpus: 2 })
  for (const one of [engine, twin]) one.watchPage(WATCHED, "watched")
  const random = new Random(options.seed)
  let [claims, idleLoops] = [0, 0]
  for (let number = 0; number < options.loops; number++) {
    const meddler = random.pick<Meddler>(["nobody", "nobody", "host", "sibling", "interrupt"])
    const loop = loopOf(random, meddler)
    const run = new VainRun({ engine, twin, random, loop, meddler })
    const found = run.check()
    const context = `loop ${number} of seed ${options.seed} (${meddler}): `
    if (found.wrong !== null) return { wrong: context + found.wrong, claims, idle: idleLoops }
    claims += found.claims
    if (loop.works || meddler !== "nobody") continue
    idleLoops++
    if (found.claims === 0) return { wrong: `${context}it does nothing, and was not found`, claims, idle: idleLoops }
  }
  return { wrong: null, claims, idle: idleLoops }
}

class VainRun {
  readonly #engine: Engine
  readonly #twin: Engine
  readonly #random: Random
  readonly #loop: Loop
  readonly #meddler: Meddler
  readonly #privileged: PrivilegedCpus
  /** What a device answers: another value each time. */
  #answer = 0n

  constructor(given: { engine: Engine; twin: Engine; random: Random; loop: Loop; meddler: Meddler }) {
    this.#engine = given.engine
    this.#twin = given.twin
    this.#random = given.random
    this.#loop = given.loop
    this.#meddler = given.meddler
    this.#privileged = privilegedOf(given.engine)
  }

  check(): { readonly wrong: string | null; readonly claims: number } {
    this.#begin()
    let claims = 0
    for (let run = 0; run < RUNS && claims < CLAIMS; run++) {
      this.#privileged.begin(0, { pending: 0n, trapsNested: 0, callOpen: false, fencesLeave: false })
      const exit = this.#engine.run(0, this.#random.chance(0.1) ? BUDGET_LONG : this.#random.between(1, BUDGET_MAX))
      if (exit.kind === "io-load") this.#engine.completeLoad(0, (this.#answer += 1n))
      else if (exit.kind !== "budget" && exit.kind !== "watch") return { wrong: `it left with ${exit.kind}`, claims }
      const cameBack = this.#privileged.take(0)?.cameBack ?? null
      if (cameBack !== null) {
        claims++
        if (this.#loop.always) return { wrong: `it changes something each time, and was said to have come round (${cameBack})`, claims }
        if (cameBack === "proof" && !this.#comesBack())
          return { wrong: "it was said to have come round in vain, and goes on elsewhere", claims }
      }
      if (this.#random.chance(0.1)) this.#engine.flushTranslations(0)
      if (this.#random.chance(0.3)) this.#meddle()
    }
    return { wrong: null, claims }
  }

  #begin(): void {
    const engine = this.#engine
    engine.writeMemory(RAM_BASE, new Uint8Array(MEMORY_BYTES))
    engine.writeMemory(RAM_BASE, bytesOf(this.#loop.code))
    // Sets the flag, and goes back to x5.
    engine.writeMemory(
      HANDLER,
      bytesOf([addi(6, 0, 1), storeDouble(8, 6, 0), addi(6, 0, 0), encode("jalr", { rd: 0, rs1: 5, immediate: 0 })]),
    )
    engine.writeMemory(WRITER, bytesOf([storeDouble(8, 9, 0)]))
    const privileged = this.#privileged
    for (let register = 1; register < 32; register++) engine.writeRegister(0, register, 0n)
    for (const [register, value] of [[2, STACK], [8, DATA], [18, BUFFER], [19, BUFFER_END], [22, MANY_END], [23, WATCHED]] as const) engine.writeRegister(0, register, value) // prettier-ignore
    engine.writeRegister(1, 8, DATA)
    engine.clearReservation(0)
    privileged.serve(0, SERVING)
    privileged.words(0).fill(0n)
    privileged.words(0)[PRIVILEGE] = SUPERVISOR
    engine.writePc(0, RAM_BASE)
  }

  #meddle(): void {
    const engine = this.#engine
    const flag = BigInt(this.#random.below(2))
    switch (this.#meddler) {
      case "nobody":
        return
      case "host":
        return engine.writeMemory(DATA, new Uint8Array(BigUint64Array.of(flag).buffer))
      case "sibling":
        engine.writeRegister(1, 9, flag)
        engine.writePc(1, WRITER)
        return void engine.run(1, 1)
      case "interrupt": {
        // The CPU goes to its handler and returns: x5 is nobody's else, and is cleared where it came from by hand.
        const pc = engine.readPc(0)
        const six = engine.readRegister(0, 6)
        engine.writeRegister(0, 5, pc)
        engine.writePc(0, HANDLER)
        engine.run(0, 4)
        engine.writeRegister(0, 5, 0n)
        return engine.writeRegister(0, 6, six)
      }
    }
  }

  /** Alone, from the state that the CPU is in. */
  #comesBack(): boolean {
    const [engine, twin] = [this.#engine, this.#twin]
    const start = engine.captureCpu(0)
    const words = this.#privileged.words(0).slice()
    const memory = engine.readMemory(RAM_BASE, MEMORY_BYTES)
    twin.writeMemory(RAM_BASE, memory)
    twin.restoreCpu(0, start)
    const reserved = engine.readReservation(0)
    if (reserved !== null) twin.writeReservation(0, reserved)
    const twins = privilegedOf(twin)
    twins.serve(0, { ...SERVING, rounds: "none" })
    twins.words(0).set(words)
    for (let step = 0; step < TWIN_STEPS; step++) {
      twins.begin(0, { pending: 0n, trapsNested: 0, callOpen: false, fencesLeave: false })
      if (twin.run(0, 1).kind !== "budget") return false
      twins.take(0)
      if (twin.readPc(0) !== start.pc) continue
      const isSame =
        start.registers.every((value, register) => twin.readRegister(0, register) === value) &&
        words.every((value, slot) => twins.words(0)[slot] === value) &&
        twin.readMemory(RAM_BASE, MEMORY_BYTES).every((byte, at) => byte === memory[at])
      if (isSame) return true
    }
    return false
  }
}

function privilegedOf({ privileged }: Engine): PrivilegedCpus {
  if (privileged === null) throw new Error("this engine serves nothing")
  return privileged
}

const bytesOf = (words: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer)
