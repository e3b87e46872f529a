/**
 * What CPUs of an engine carry out by themselves is what trap/csr says: one random instruction on one random privileged state, done by both.
 * Where the CPU leaves instead, its state must be as it was. How much it must serve is asked for apart: leaving always would be right, too.
 */
import { Random } from "@backplane/foundation-base/random"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { Slot, SLOTS, STATUS_XLEN, ViewCsrFile, type CsrFile } from "@backplane/trap-csr/csr-file"
import { executeSystem } from "@backplane/trap-csr/execute-system"
import { interruptToTake, pendingBits } from "@backplane/trap-csr/interrupts"
import { MSTATUS_WRITABLE } from "@backplane/trap-csr/status"
import { translationOf } from "@backplane/trap-csr/translation"
import { enterTrap } from "@backplane/trap-csr/trap"
import type { AccessKind, Engine, EngineOptions } from "@backplane/compute-contract/engine"
import type { PrivilegedCpus } from "@backplane/compute-contract/privileged"

const MEMORY_BYTES = 1 << 20
const NOP = 0x13
const CODE = RAM_BASE + 0x1000n
const TABLES = RAM_BASE + 0x2000n
const ROOTS = 3
/** Where every entry of the roots leads: RAM, as one gigapage. */
const GIGAPAGE = (RAM_BASE >> 12n) << 10n
/** Entries 2 to 9: all that MXR, SUM and privilege tell apart, at 2 GiB (where the code is), 3 GiB and on. */
const ENTRY_FLAGS: readonly (readonly bigint[])[] = [
  [0xcfn, 0xdfn, 0xc9n, 0xd9n, 0xc3n, 0xd3n, 0xc7n, 0xd7n],
  [0xdfn, 0xcfn, 0xd9n, 0xc9n, 0xd3n, 0xc3n, 0xd7n, 0xc7n],
  [0xcfn, 0xcfn, 0xdfn, 0xdfn, 0xc9n, 0xd9n, 0xcfn, 0xd3n],
]
const PROBES = 8
/** What translation depends on. */
const TRANSLATING = [Slot.privilege, Slot.mstatus, Slot.satp]
const CSRS = [
  0x100, 0x100, 0x104, 0x105, 0x106, 0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0x180, 0x180, 0x300, 0x300, 0x302, 0x303, 0x304, 0x305,
  0x306, 0x30a, 0x340, 0x341, 0x342, 0x343, 0x344, 0x3a0, 0xc00, 0xc01, 0xf14, 0xf14, 0xf14, 0xf14, 0x123, 0x5c0,
]
const OTHERS = [0x73, 0x73, 0x10_0073, 0x1020_0073, 0x1020_0073, 0x3020_0073, 0x3020_0073, 0x1050_0073, 0x4073, 0x1020_0473]
/** A 32-bit word of the first custom opcode. */
const ILLEGAL = 0x0b
const ECALL = 0x73
const SOFTWARE_BITS = 0x222n
const TIME = 1000n

export interface ServedFindings {
  /** The first that is wrong; null: nothing. */
  readonly wrong: string | null
  readonly cases: number
  /** How many the CPU did itself. */
  readonly served: number
}

export function checkServed(
  engineOf: (options: EngineOptions) => Engine,
  { seed, cases }: { readonly seed: number; readonly cases: number },
): ServedFindings {
  const engine = engineOf({ memoryBytes: MEMORY_BYTES, cpus: 2 })
  const { privileged } = engine
  if (privileged === null) return { wrong: "this engine serves nothing", cases: 0, served: 0 }
  writeTables(engine)
  const random = new Random(seed)
  let served = 0
  for (let number = 0; number < cases; number += 1) {
    const supervisorCalls = random.chance(0.5) ? "trap" : "leave"
    const spaces = random.chance(0.7)
    privileged.serve(0, { traps: "served", spaces, translations: "own", supervisorCalls, exits: "none", rounds: "none", tables: "noted" })
    const result = check({ engine, privileged, random, supervisorCalls })
    if (result.wrong !== null) return { wrong: `case ${number} of seed ${seed}: ${result.wrong}`, cases: number, served }
    if (result.served) served += 1
  }
  return { wrong: null, cases, served }
}

interface Case {
  readonly engine: Engine
  readonly privileged: PrivilegedCpus
  readonly random: Random
  readonly supervisorCalls: "trap" | "leave"
}

function writeTables(engine: Engine): void {
  ENTRY_FLAGS.forEach((flags, root) => {
    const words = new BigUint64Array(512)
    flags.forEach((bits, index) => (words[2 + index] = GIGAPAGE | bits))
    engine.writeMemory(TABLES + BigInt(root * 4096), new Uint8Array(words.buffer))
  })
}

function check(given: Case): { readonly wrong: string | null; readonly served: boolean } {
  const { engine, privileged, random } = given
  const words = privileged.words(0)
  fillState(words, random)
  const before = words.slice()
  const file = fileOver(words.slice())
  const wantedFile = fileOver(before.slice())
  // A fault of the very fetch is the CPU's own trap as well, but not what is looked at here.
  engine.setTranslation(0, translationOf(file))
  if (!("address" in engine.translate(0, CODE, "fetch"))) return { wrong: null, served: false }
  const word = instruction(random)
  engine.writeMemory(CODE, new Uint8Array(Uint32Array.of(NOP, word).buffer))
  for (let register = 1; register < 32; register += 1) engine.writeRegister(0, register, operand(random))
  const registers = engine.captureCpu(0).registers
  engine.writePc(0, CODE)
  const instret = engine.readInstret(0)
  const moment = { time: TIME, instret: instret + 1n }
  const trapsNested = random.below(3)
  privileged.begin(0, { pending: pendingBits(file, moment), trapsNested, callOpen: false, fencesLeave: false })
  const exit = engine.run(0, 2)
  const served = privileged.take(0)
  const serviceable = { word, pc: CODE + 4n, rs1: registers[(word >>> 15) & 31] ?? 0n, rs2: registers[(word >>> 20) & 31] ?? 0n }
  const context = `${word.toString(16)} in state ${show(before)}`
  if (served === null) {
    const same =
      before.every((value, slot) => words[slot] === value) &&
      exit.kind === (word === ILLEGAL ? "exception" : "system") &&
      exit.retired === 1
    return { wrong: same ? null : `${context} left, but not as it was: ${JSON.stringify(exit.kind)}`, served: false }
  }
  if (word === ECALL && before[Slot.privilege] === 1n && given.supervisorCalls === "leave")
    return { wrong: `${context}: a call of the host's was a trap`, served: true }
  const outcome = executeSystem(wantedFile, serviceable, moment)
  const wanted = { registers: [...registers], pc: CODE + 8n, retired: 2, nested: trapsNested }
  switch (outcome.kind) {
    case "exception":
      wanted.pc = enterTrap(wantedFile, { cause: outcome.cause, value: outcome.value, pc: CODE + 4n, interrupt: false })
      wanted.retired = 1
      wanted.nested += 1
      break
    case "return":
      wanted.pc = outcome.pc
      wanted.nested = 0
      break
    case "next":
      if (outcome.value !== null && outcome.rd !== 0) wanted.registers[outcome.rd] = outcome.value
      break
    case "wait":
      return { wrong: `${context}: wfi does not end in the CPU`, served: true }
    case "fence":
      break
  }
  const found = [
    ...differences(words, wantedFile),
    ...engine
      .captureCpu(0)
      .registers.flatMap((value, index) => (value === wanted.registers[index] ? [] : [`x${index} is ${value.toString(16)}`])),
    ...(engine.readPc(0) === wanted.pc ? [] : [`pc is ${engine.readPc(0).toString(16)}, not ${wanted.pc.toString(16)}`]),
    ...(exit.retired === wanted.retired ? [] : [`${exit.retired} retired, not ${wanted.retired}`]),
    ...(served.trapsNested === wanted.nested ? [] : [`${served.trapsNested} traps nested, not ${wanted.nested}`]),
    ...(engine.readInstret(0) === instret + BigInt(wanted.retired) ? [] : ["instret is not what retired"]),
    ...(TRANSLATING.some((slot) => before[slot] !== words[slot]) ? otherTranslation(engine, wantedFile) : []),
    ...passedBy(given, { before, registers, instret, wanted }, wantedFile),
  ]
  return { wrong: found.length === 0 ? null : `${context}: ${found.join("; ")}`, served: true }
}

/** The same once more with room to go on: where an interrupt is to be taken now that was not before, the run must have ended. */
function passedBy(
  { engine, privileged }: Case,
  again: {
    readonly before: BigUint64Array
    readonly registers: readonly bigint[]
    readonly instret: bigint
    readonly wanted: { readonly pc: bigint; readonly retired: number }
  },
  after: CsrFile,
): readonly string[] {
  const moment = { time: TIME, instret: again.instret + 1n }
  const file = fileOver(again.before.slice())
  if (interruptToTake(file, moment) !== null || interruptToTake(after, moment) === null) return []
  privileged.words(0).set(again.before)
  engine.setTranslation(0, translationOf(file))
  engine.restoreCpu(0, { registers: again.registers, pc: CODE, instret: again.instret })
  privileged.begin(0, { pending: pendingBits(file, moment), trapsNested: 0, callOpen: false, fencesLeave: false })
  const exit = engine.run(0, 1000)
  privileged.take(0)
  engine.setTranslation(0, translationOf(after))
  privileged.words(0).set(Array.from({ length: SLOTS }, (_, slot) => after.get(slot)))
  const ended = exit.kind === "budget" && exit.retired === again.wanted.retired && exit.pc === again.wanted.pc
  return ended ? [] : [`an interrupt was passed by: ${exit.kind} after ${exit.retired}`]
}

/** The CPU's translation is what its state says: a second CPU, told so, translates alike. */
function otherTranslation(engine: Engine, file: CsrFile): readonly string[] {
  engine.setTranslation(1, translationOf(file))
  const accesses: readonly AccessKind[] = ["fetch", "load", "store"]
  return accesses.flatMap((access) =>
    Array.from({ length: PROBES }, (_, index) => index).flatMap((index) => {
      const address = (BigInt(2 + index) << 30n) + 0x5000n
      const [seen, wanted] = [0, 1].map((cpu) =>
        JSON.stringify(engine.translate(cpu, address, access), (_key, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
      )
      return seen === wanted ? [] : [`a ${access} at ${address.toString(16)} gives ${seen}, not ${wanted}`]
    }),
  )
}

function fileOver(words: BigUint64Array): CsrFile {
  return new ViewCsrFile(() => words)
}

function differences(words: BigUint64Array, wanted: CsrFile): readonly string[] {
  return Array.from({ length: SLOTS }, (_, slot) => slot).flatMap((slot) =>
    words[slot] === wanted.get(slot) ? [] : [`slot ${slot} is ${words[slot]?.toString(16)}, not ${wanted.get(slot).toString(16)}`],
  )
}

function fillState(words: BigUint64Array, random: Random): void {
  const bits = (): bigint => bits64(random)
  words.fill(0n)
  const status = bits() & MSTATUS_WRITABLE & ~(random.chance(0.8) ? TVM_TW_TSR : 0n)
  const privilege = random.pick([0n, 1n, 1n, 3n])
  words[Slot.privilege] = privilege
  words[Slot.mstatus] = (((status >> 11n) & 3n) === 2n ? status & ~(3n << 11n) : status) | STATUS_XLEN
  words[Slot.medeleg] = bits() & 0xb3ffn
  words[Slot.mideleg] = bits() & SOFTWARE_BITS
  words[Slot.mie] = random.chance(0.5) ? 0n : bits() & 0xaaan
  words[Slot.mipSoftware] = random.chance(0.5) ? 0n : bits() & SOFTWARE_BITS
  words[Slot.lines] = random.chance(0.5) ? 0n : bits() & 0xaaan
  words[Slot.mtvec] = RAM_BASE + BigInt(random.below(64) * 4 + random.below(2))
  words[Slot.stvec] = RAM_BASE + BigInt(random.below(64) * 4 + random.below(2))
  words[Slot.menvcfg] = random.chance(0.5) ? 1n << 63n : 0n
  words[Slot.stimecmp] = TIME - 1n + BigInt(random.below(3))
  words[Slot.mcounteren] = bits() & 7n
  for (const slot of [Slot.mscratch, Slot.mcause, Slot.mtval, Slot.sscratch, Slot.scause, Slot.stval]) words[slot] = bits()
  for (const slot of [Slot.mepc, Slot.sepc]) words[slot] = bits() & ~1n
  words[Slot.mhartid] = 0n
  words[Slot.satp] = random.chance(0.7) ? satp(random) : 0n
}

const TVM_TW_TSR = 7n << 20n

function satp(random: Random): bigint {
  return (8n << 60n) | (BigInt(random.below(4)) << 44n) | ((TABLES >> 12n) + BigInt(random.below(ROOTS)))
}

function operand(random: Random): bigint {
  return random.pick([
    0n,
    bits64(random),
    satp(random),
    bits64(random) & 0xffffffn,
    (BigInt(random.below(16)) << 60n) | 5n,
    CODE,
    RAM_BASE + 1n,
  ])
}

function instruction(random: Random): number {
  const [rd, rs1] = [random.below(32), random.chance(0.3) ? 0 : random.below(32)]
  const kind = random.below(10)
  if (kind < 6) return ((random.pick(CSRS) << 20) | (rs1 << 15) | (random.pick([1, 2, 3, 5, 6, 7]) << 12) | (rd << 7) | 0x73) >>> 0
  if (kind === 9 && random.chance(0.3)) return ILLEGAL
  if (kind < 7) return ((9 << 25) | (random.below(32) << 20) | (rs1 << 15) | ((random.chance(0.1) ? rd : 0) << 7) | 0x73) >>> 0
  return random.pick(OTHERS)
}

function bits64(random: Random): bigint {
  return (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32))
}

function show(words: BigUint64Array): string {
  return [...words].flatMap((value, slot) => (value === 0n ? [] : [`${slot}=${value.toString(16)}`])).join(" ")
}
