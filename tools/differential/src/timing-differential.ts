/**
 * The timed engine against the plain model of memory/timing: same random programs on several CPUs, every count and every cycle compared.
 *
 * The other side is slow and independent: the functional engine executes one instruction at a time, on the CPU that the model's own clocks
 * put first; the accesses of the instruction are read from its bits and given to the model.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { Random } from "@backplane/foundation-base/random"
import { RAM_BASE, type Engine, type Translation } from "@backplane/compute-contract/engine"
import { TIMING_COUNTERS, type TimingParameters } from "@backplane/compute-contract/timing"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { timedEngineOf, type TimedEngine } from "@backplane/compute-engine/timed-engine"
import { TimingReference } from "@backplane/memory-timing/timing-reference"
import { decode } from "@backplane/compute-riscv/decode"
import { generateProgram, randomValue } from "@backplane/compute-riscv/generate"

const TIMING_MEMORY_BYTES = 512 * 1024
const PAGE = 4096
const CODE_PAGE = 1
const DATA_PAGE = 32
const TABLE_PAGE = 120
const MEMORY_PAGES = TIMING_MEMORY_BYTES / PAGE

export interface TimingCase {
  readonly seed: string
  readonly cpus: number
  readonly parameters: TimingParameters
  /** Through identity tables of 4 KiB pages, or bare. */
  readonly paged: boolean
  readonly instructions: number
}

/** A machine too small for its programs, so that everything happens often. */
export const SMALL: TimingParameters = {
  nodes: 2,
  threadsPerCore: 1,
  firstLevel: { sets: 4, ways: 2 },
  secondLevel: { sets: 16, ways: 2, hitCycles: 7 },
  tlb: { sets: 2, ways: 3, missCycles: 23 },
  transferCycles: 11,
  busOccupancyCycles: 5,
  localCycles: 80,
  remoteCycles: 140,
  remoteDirtyCycles: 210,
  memoryOccupancyCycles: 9,
  protocol: "invalidate",
  placement: "first-touch",
  collapseCycles: 333,
}

/** The first difference, or undefined. */
export function firstTimingDifference(
  { seed, cpus, parameters, paged, instructions }: TimingCase,
  build: { readonly binary: Uint8Array<ArrayBuffer>; readonly planted?: number },
): string | undefined {
  const options = { memoryBytes: TIMING_MEMORY_BYTES, cpus }
  const timed = timedEngineOf(options, parameters, build)
  const plain = new WasmEngine(options)
  const reference = new TimingReference(parameters, options)
  for (const engine of [timed, plain]) load(engine, seed, cpus, paged)
  const driver = new Driver(plain, reference, { cpus, parameters, paged })
  const random = new Random(`${seed} pages`)
  // In pieces of odd sizes, with pages that move and get copies in between.
  for (let done = 0; done < instructions;) {
    const piece = Math.min(instructions - done, random.between(1, 400))
    for (let cpu = 0; cpu < cpus; cpu++) timed.timing.setRunnable(cpu, "runnable")
    const end = timed.timing.runTogether(piece)
    for (let step = 0; step < piece; step++) driver.step()
    if (end.cpu !== null || end.retired !== piece) return `after ${done} instructions CPU ${end.cpu} left: ${JSON.stringify(end)}`
    done += piece
    const wrong = differenceOf(timed, driver, cpus)
    if (wrong !== undefined) return `${wrong} after ${done} instructions`
    movePage(random, timed, reference, parameters.nodes)
  }
  return undefined
}

function movePage(random: Random, timed: TimedEngine, reference: TimingReference, nodes: number): void {
  const frame = random.chance(0.7) ? DATA_PAGE + random.below(7) : random.below(MEMORY_PAGES)
  const node = random.below(nodes)
  const choice = random.below(4)
  if (choice === 0) for (const each of [timed.timing, reference]) each.migrate(frame, node)
  if (choice === 1) for (const each of [timed.timing, reference]) each.replicate(frame, [node])
}

function load(engine: Engine, seed: string, cpus: number, paged: boolean): void {
  const random = new Random(seed)
  if (paged) writeTables(engine)
  for (let cpu = 0; cpu < cpus; cpu++) {
    const code = RAM_BASE + BigInt((CODE_PAGE + 6 * cpu) * PAGE)
    const program = generateProgram(random, {
      extensions: ["I", "M", "A", "C", "Zbb"],
      instructions: random.between(200, 900),
      except: ["fence.i"],
    })
    const back = -program.length
    assert(program.length < 6 * PAGE && program.length % 2 === 0, "a program fits between two")
    engine.writeMemory(code, Uint8Array.from([...program, ...bytesOf(jumpBack(back))]))
    const registers = Array.from({ length: 32 }, (_, register) => (register === 0 ? 0n : randomValue(random)))
    const data = (): bigint => RAM_BASE + BigInt((DATA_PAGE + random.below(6)) * PAGE + 2048 + 8 * random.below(100))
    registers[8] = data()
    registers[2] = random.chance(0.5) ? RAM_BASE + BigInt(DATA_PAGE * PAGE + 2048) : data()
    engine.restoreCpu(cpu, { registers, pc: code, instret: 0n })
    engine.setTranslation(cpu, paged ? PAGED : BARE)
  }
}

const BARE: Translation = { mode: "bare", root: 0n, fetchPrivilege: 3, dataPrivilege: 3, sum: false, mxr: false }
const ROOT = (RAM_BASE >> 12n) + BigInt(TABLE_PAGE)
const PAGED: Translation = { mode: "sv39", root: ROOT, fetchPrivilege: 1, dataPrivilege: 1, sum: false, mxr: false }

/** Identity over all of RAM in pages of 4 KiB: three tables. */
function writeTables(engine: Engine): void {
  const entry = (page: bigint, flags: bigint): bigint => (page << 10n) | flags
  const write = (page: number, index: number, value: bigint): void => {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigUint64(0, value, true)
    engine.writeMemory(RAM_BASE + BigInt(page * PAGE + index * 8), bytes)
  }
  write(TABLE_PAGE, 2, entry(ROOT + 1n, 1n))
  write(TABLE_PAGE + 1, 0, entry(ROOT + 2n, 1n))
  for (let page = 0; page < MEMORY_PAGES; page++) write(TABLE_PAGE + 2, page, entry((RAM_BASE >> 12n) + BigInt(page), 0xcfn))
}

function bytesOf(word: number): number[] {
  return [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]
}

/** `jal x0, offset`. Unprivileged manual, J-type. */
function jumpBack(offset: number): number {
  const bit = (from: number, width: number): number => (offset >>> from) & ((1 << width) - 1)
  return ((bit(20, 1) << 31) | (bit(1, 10) << 21) | (bit(11, 1) << 20) | (bit(12, 8) << 12) | 0x6f) >>> 0
}

interface Shape {
  readonly cpus: number
  readonly parameters: TimingParameters
  readonly paged: boolean
}

/** Executes in the order of the model's own clocks, an instruction at a time. */
class Driver {
  readonly reference: TimingReference
  readonly engine: Engine
  readonly #shape: Shape

  constructor(engine: Engine, reference: TimingReference, shape: Shape) {
    this.engine = engine
    this.reference = reference
    this.#shape = shape
  }

  step(): void {
    const cpu = this.reference.begin(Array.from({ length: this.#shape.cpus }, (_, index) => index))
    const { engine } = this
    const pc = engine.readPc(cpu)
    this.#fetch(cpu, pc)
    const bits = engine.readMemory(pc, 2)
    const low = (bits[0] ?? 0) | ((bits[1] ?? 0) << 8)
    const high = (low & 3) === 3 ? engine.readMemory(pc + 2n, 2) : new Uint8Array(2)
    const operation = defined(decode((low | ((high[0] ?? 0) << 16) | ((high[1] ?? 0) << 24)) >>> 0), "programs are legal")
    const base = engine.readRegister(cpu, operation.rs1)
    const reserved = engine.readReservation(cpu)
    const exit = engine.run(cpu, 1)
    assert(exit.kind === "budget" && exit.retired === 1, `an instruction at ${pc.toString(16)} completes: ${exit.kind}`)
    this.reference.issue(cpu)
    const kind = operation.instruction.operation
    switch (kind.kind) {
      case "load":
      case "store":
        return this.#data(cpu, kind.kind === "load" ? "read" : "write", base + BigInt(operation.immediate), kind.width)
      case "load-reserved":
        return this.#data(cpu, "read", base, kind.width)
      case "amo":
        return this.#data(cpu, "write", base, kind.width)
      case "store-conditional":
        // One that fails looks the address up and leaves the caches alone.
        return this.#data(cpu, reserved === base ? "write" : "none", base, kind.width)
      default:
        return
    }
  }

  #fetch(cpu: number, pc: bigint): void {
    this.#page(cpu, pc)
    this.reference.access(cpu, "fetch", Number(pc - RAM_BASE), 2)
    const isWide = ((this.engine.readMemory(pc, 1)[0] ?? 0) & 3) === 3
    if (!isWide || (pc & 0xfffn) !== 0xffen) return
    this.#page(cpu, pc + 2n)
    this.reference.access(cpu, "fetch", Number(pc + 2n - RAM_BASE), 2)
  }

  #data(cpu: number, access: "read" | "write" | "none", address: bigint, bytes: number): void {
    const below = Math.min(bytes, PAGE - Number(address & 0xfffn))
    const parts: readonly (readonly [bigint, number])[] =
      below === bytes ? [[address, bytes]] : [[address, below], [address + BigInt(below), bytes - below]] // prettier-ignore
    for (const [at] of parts) this.#page(cpu, at)
    if (access !== "none") for (const [at, count] of parts) this.reference.access(cpu, access, Number(at - RAM_BASE), count)
  }

  #page(cpu: number, address: bigint): void {
    if (this.#shape.paged) this.reference.translated(cpu, ROOT, Number((address >> 12n) & 0x7ff_ffffn))
  }
}

function differenceOf(timed: TimedEngine, { engine, reference }: Driver, cpus: number): string | undefined {
  for (let cpu = 0; cpu < cpus; cpu++) {
    const [ours, theirs] = [timed.timing.counters(cpu), reference.counters(cpu)]
    const wrong = (["cycles", ...TIMING_COUNTERS] as const).find((name) => ours[name] !== theirs[name])
    if (wrong !== undefined) return `CPU ${cpu}: ${wrong} is ${ours[wrong]}, not ${theirs[wrong]}`
    if (timed.readPc(cpu) !== engine.readPc(cpu)) return `CPU ${cpu}: pc differs`
    const register = Array.from({ length: 32 }, (_, index) => index).find(
      (index) => timed.readRegister(cpu, index) !== engine.readRegister(cpu, index),
    )
    if (register !== undefined) return `CPU ${cpu}: x${register} differs`
  }
  for (let frame = 0; frame < MEMORY_PAGES; frame++) {
    const [ours, theirs] = [timed.timing.pageMisses(frame), reference.pageMisses(frame)]
    if (JSON.stringify(ours) !== JSON.stringify(theirs))
      return `misses on page ${frame}: ${JSON.stringify(ours)}, not ${JSON.stringify(theirs)}`
    if (timed.timing.home(frame) !== reference.home(frame))
      return `home of page ${frame} is ${timed.timing.home(frame)}, not ${reference.home(frame)}`
    if (JSON.stringify(timed.timing.copies(frame)) !== JSON.stringify(reference.copies(frame))) return `copies of page ${frame} differ`
  }
  const expected = engine.readMemory(RAM_BASE, TIMING_MEMORY_BYTES)
  const at = timed.readMemory(RAM_BASE, TIMING_MEMORY_BYTES).findIndex((byte, index) => byte !== expected[index])
  return at < 0 ? undefined : `memory differs at ${at.toString(16)}`
}
