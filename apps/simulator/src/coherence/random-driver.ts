/**
 * Harts that do whatever finds bugs: loads and stores of every width, also over page boundaries, AMOs on shared counters, LR and SC, slots of
 * several harts in one line (false sharing), and code that one hart writes and another runs. Every result is compared at once.
 */
import { encode } from "@backplane/compute-riscv/encode"
import { RAM_BASE, type Engine } from "@backplane/compute-contract/engine"
import type { Random } from "@backplane/foundation-base/random"
import type { HartDriver } from "@backplane/memory-bare/bare-node"
import type { PageOperation } from "@backplane/memory-contract/coherence-messages"
import { IncoherenceError, type FlatMemory } from "./flat-memory.ts"

const PAGE_BYTES = 4096
const ADDRESS = 5
const VALUE = 6
const RESULT = 10
const LINK = 1
type Width = 1 | 2 | 4 | 8

const STUBS = [
  ...["lbu", "lhu", "lwu", "ld"].map((name) => encode(name, { rd: RESULT, rs1: ADDRESS, immediate: 0 })),
  ...["sb", "sh", "sw", "sd"].map((name) => encode(name, { rs1: ADDRESS, rs2: VALUE, immediate: 0 })),
  encode("lr.d", { rd: RESULT, rs1: ADDRESS }),
  encode("sc.d", { rd: RESULT, rs1: ADDRESS, rs2: VALUE }),
  ...["amoadd.d", "amoswap.d", "amoxor.w", "amomaxu.d"].map((name) => encode(name, { rd: RESULT, rs1: ADDRESS, rs2: VALUE })),
]
const LOADS = 0
const STORES = 4
const LR = 8
const SC = 9
const AMOS: readonly { readonly stub: number; readonly name: PageOperation["name"]; readonly width: 4 | 8 }[] = [
  { stub: 10, name: "add", width: 8 },
  { stub: 11, name: "swap", width: 8 },
  { stub: 12, name: "xor", width: 4 },
  { stub: 13, name: "maxu", width: 8 },
]
const WIDTHS: readonly Width[] = [1, 2, 4, 8]
/** Page 0 holds the stubs, page 1 the code that is written and run, data begins at page 2. */
const CODE_PAGE = 1
const DATA_PAGE = 2

export const TESTER_PAGES = 12
export const TESTER_BYTES = TESTER_PAGES * PAGE_BYTES

const snippet = (value: number): bigint => BigInt(encode("addi", { rd: RESULT, rs1: 0, immediate: value }))

/** What every node begins with. */
export function testerImage(): Uint8Array {
  const image = new Uint8Array(TESTER_BYTES)
  const view = new DataView(image.buffer)
  STUBS.forEach((raw, index) => {
    view.setUint32(index * 4, raw, true)
  })
  for (let at = CODE_PAGE * PAGE_BYTES; at < DATA_PAGE * PAGE_BYTES; at += 8) {
    view.setUint32(at, Number(snippet(0)), true)
    view.setUint32(at + 4, encode("jalr", { rd: 0, rs1: LINK, immediate: 0 }), true)
  }
  return image
}

type Operation =
  | { readonly kind: "load" | "store"; readonly at: number; readonly width: Width; readonly value: bigint }
  | { readonly kind: "amo"; readonly at: number; readonly amo: (typeof AMOS)[number]; readonly value: bigint }
  | { readonly kind: "lr" | "sc"; readonly at: number; readonly value: bigint }
  | { readonly kind: "call"; readonly at: number }

export interface RandomDriverOptions {
  readonly node: number
  readonly engine: Engine
  readonly flat: FlatMemory
  /** Share of the accesses that go to a page of the hart's own, which others visit seldom. */
  readonly privacy: number
  /** Asked before each operation: is there one left? */
  readonly more: () => boolean
  /** A bug: before each SC the reservation is there again. */
  readonly reserveAgain?: boolean
}

export class RandomDriver implements HartDriver {
  readonly #options: RandomDriverOptions
  /** By hart: what is under way. */
  readonly #under: (Operation | null)[]
  /** By hart: the reservation, as the flat memory would have it. */
  readonly #reserved: ({ readonly at: number; readonly writes: number } | null)[]

  constructor(options: RandomDriverOptions) {
    this.#options = options
    this.#under = new Array<Operation | null>(options.engine.options.cpus).fill(null)
    this.#reserved = new Array<{ at: number; writes: number } | null>(options.engine.options.cpus).fill(null)
  }

  budget(cpu: number, random: Random): number | null {
    const under = this.#under[cpu]
    if (under !== null && under !== undefined) {
      this.#reserveAgain(cpu, under)
      return 1
    }
    if (!this.#options.more()) return null
    const reserved = this.#reserved[cpu]
    const operation: Operation =
      reserved !== null && reserved !== undefined && random.chance(0.8)
        ? { kind: "sc", at: reserved.at, value: BigInt(random.uint32()) }
        : this.#draw(cpu, random)
    this.#under[cpu] = operation
    this.#prepare(cpu, operation)
    this.#reserveAgain(cpu, operation)
    return 1
  }

  #reserveAgain(cpu: number, operation: Operation): void {
    if (this.#options.reserveAgain !== true || operation.kind !== "sc") return
    this.#options.engine.writeReservation(cpu, RAM_BASE + BigInt(operation.at))
  }

  retired(cpu: number, _count: number, where: "here" | "elsewhere"): void {
    const operation = this.#under[cpu]
    if (operation === null || operation === undefined) return
    this.#under[cpu] = null
    const { engine, flat, node } = this.#options
    const result = engine.readRegister(cpu, RESULT)
    const what = `node ${node} hart ${cpu} ${operation.kind} at ${operation.at}`
    switch (operation.kind) {
      case "load":
        return flat.compare(what, result, flat.read(operation.at, operation.width))
      case "store":
        flat.write(operation.at, operation.width, operation.value)
        return this.#ownWrite(cpu, operation.at, operation.width)
      case "amo": {
        const { name, width } = operation.amo
        const operand = `0x${operation.value.toString(16)}`
        if (where === "here") this.#ownWrite(cpu, operation.at, width)
        flat.compare(
          what,
          result,
          where === "elsewhere" ? flat.resultOf(node, operation.at) : flat.amo(operation.at, { name, width, operand }),
        )
        return
      }
      case "lr":
        this.#reserved[cpu] = { at: operation.at, writes: flat.writesAt(operation.at) }
        return flat.compare(what, result, flat.read(operation.at, 8))
      case "sc":
        return this.#storeConditional(cpu, operation, result === 0n)
      case "call":
        return flat.compare(what, BigInt(encode("addi", { rd: RESULT, rs1: 0, immediate: Number(result) })), flat.read(operation.at, 4))
    }
  }

  left(): boolean {
    throw new IncoherenceError("a stub left the engine")
  }

  /** A hart's own stores leave its reservation alone (the manual leaves it open). */
  #ownWrite(cpu: number, at: number, width: number): void {
    const reserved = this.#reserved[cpu]
    if (reserved !== null && reserved !== undefined && at < reserved.at + 8 && at + width > reserved.at)
      this.#reserved[cpu] = { at: reserved.at, writes: reserved.writes + 1 }
  }

  #storeConditional(cpu: number, { at, value }: { readonly at: number; readonly value: bigint }, succeeded: boolean): void {
    const { flat } = this.#options
    const reserved = this.#reserved[cpu]
    this.#reserved[cpu] = null
    if (!succeeded) return
    if (reserved === null || reserved === undefined) throw new IncoherenceError(`SC at ${at} without LR`)
    flat.compare(`SC at ${at}: stores since the LR`, BigInt(flat.writesAt(at) - reserved.writes), 0n)
    flat.write(at, 8, value)
  }

  #draw(cpu: number, random: Random): Operation {
    const value = BigInt(random.uint32()) * 0x1_0000_0001n
    const kind = random.below(16)
    // A hot line, a slot of each hart in one line, or anywhere.
    const hot = DATA_PAGE * PAGE_BYTES
    const slot = hot + 64 + 8 * ((this.#options.node * 2 + cpu) % 8)
    // Most of the time a hart is at home in a page of its own, which others visit.
    const own = PAGE_BYTES * (DATA_PAGE + 1 + ((this.#options.node * 2 + cpu) % (TESTER_PAGES - DATA_PAGE - 1)))
    if (random.chance(this.#options.privacy)) {
      const at = own + random.below(PAGE_BYTES - 8)
      return { kind: random.chance(0.5) ? "load" : "store", at, width: random.pick(WIDTHS), value }
    }
    const anywhere = hot + random.below(TESTER_BYTES - hot - 8)
    const aligned = random.chance(0.5) ? hot + 8 * random.below(4) : anywhere & ~7
    if (kind < 5)
      return { kind: "load", at: random.chance(0.3) ? slot : random.chance(0.4) ? aligned : anywhere, width: random.pick(WIDTHS), value }
    if (kind < 9)
      return { kind: "store", at: random.chance(0.4) ? slot : random.chance(0.4) ? aligned : anywhere, width: random.pick(WIDTHS), value }
    if (kind < 12) return { kind: "amo", at: aligned, amo: random.pick(AMOS), value }
    if (kind < 14) return { kind: "lr", at: hot + 8 * random.below(4), value }
    const code = CODE_PAGE * PAGE_BYTES + 8 * random.below(4)
    return kind === 14 ? { kind: "store", at: code, width: 4, value: snippet(random.below(2000)) } : { kind: "call", at: code }
  }

  #prepare(cpu: number, operation: Operation): void {
    const { engine } = this.#options
    engine.writeRegister(cpu, ADDRESS, RAM_BASE + BigInt(operation.at))
    if ("value" in operation) engine.writeRegister(cpu, VALUE, operation.value)
    engine.writePc(cpu, operation.kind === "call" ? RAM_BASE + BigInt(operation.at) : RAM_BASE + BigInt(4 * stubOf(operation)))
  }
}

function stubOf(operation: Exclude<Operation, { readonly kind: "call" }>): number {
  switch (operation.kind) {
    case "load":
      return LOADS + WIDTHS.indexOf(operation.width)
    case "store":
      return STORES + WIDTHS.indexOf(operation.width)
    case "amo":
      return operation.amo.stub
    case "lr":
      return LR
    case "sc":
      return SC
  }
}
