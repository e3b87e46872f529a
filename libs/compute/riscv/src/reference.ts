/**
 * A slow interpreter of the instruction table on bigints: the oracle that the engine is compared with.
 *
 * User-level instructions on bare memory only; no translation, no privilege. Shares with the engine the table's encodings, but
 * none of its arithmetic: semantics are the bigint functions of the table.
 */
import { signExtend, unsigned64 } from "./bits.ts"
import { decode, instructionLength } from "./decode.ts"
import { defined } from "@backplane/foundation-base/assert"
import type { Decoded } from "./decode.ts"
import type { Operation } from "./instruction.ts"

/** Flat memory from `base`. */
export interface ReferenceMemory {
  readonly base: bigint
  readonly bytes: Uint8Array
}

/** Why a step did not retire. Cause numbers as in `mcause`. */
export type ReferenceStop =
  | { readonly kind: "exception"; readonly cause: number; readonly value: bigint }
  | { readonly kind: "system"; readonly instruction: number }
  | { readonly kind: "io"; readonly address: bigint }

const ILLEGAL = 2
const MISALIGNED_LOAD = 4
const MISALIGNED_STORE = 6
const GRANULE_BITS = 6n

/** Reservations of all CPUs of a memory: address by CPU. A store breaks those of the others on its granules. */
export class Reservations {
  readonly #held = new Map<number, bigint>()

  reserve(cpu: number, address: bigint): void {
    this.#held.set(cpu, address)
  }

  /** Ends the CPU's reservation; did it hold this very address? */
  release(cpu: number, address: bigint): boolean {
    const held = this.#held.get(cpu)
    this.#held.delete(cpu)
    return held === address
  }

  breakFor(writer: number, address: bigint, width: number): void {
    const first = address >> GRANULE_BITS
    const last = (address + BigInt(width - 1)) >> GRANULE_BITS
    for (const [cpu, held] of [...this.#held]) {
      if (cpu !== writer && held >> GRANULE_BITS >= first && held >> GRANULE_BITS <= last) this.#held.delete(cpu)
    }
  }
}

export class ReferenceCpu {
  /** x0…x31, unsigned. x0 stays 0: `#write` discards. */
  readonly registers: bigint[] = new Array<bigint>(32).fill(0n)
  pc = 0n
  readonly memory: ReferenceMemory
  readonly #reservations: Reservations
  readonly #index: number

  constructor(memory: ReferenceMemory, reservations: Reservations, index: number) {
    this.memory = memory
    this.#reservations = reservations
    this.#index = index
  }

  /** One instruction; `undefined` when it retired. */
  step(): ReferenceStop | undefined {
    const low = this.#load(this.pc, 2)
    if (low === undefined) return { kind: "exception", cause: 1, value: this.pc }
    const high = instructionLength(Number(low)) === 4 ? this.#load(this.pc + 2n, 2) : 0n
    if (high === undefined) return { kind: "exception", cause: 1, value: this.pc + 2n }
    const raw = Number(low | (high << 16n))
    const decoded = decode(raw)
    if ((raw & 0x7f) === 0x73) return { kind: "system", instruction: raw } // whatever it is, the host decides
    if (decoded === undefined) return { kind: "exception", cause: ILLEGAL, value: BigInt(raw) }
    if (decoded.instruction.operation.kind === "system") return { kind: "system", instruction: raw }
    return this.#execute(decoded, decoded.instruction.operation)
  }

  #execute(decoded: Decoded, operation: Operation): ReferenceStop | undefined {
    const a = this.#read(decoded.rs1)
    const b = this.#read(decoded.rs2)
    const immediate = unsigned64(BigInt(decoded.immediate))
    const next = unsigned64(this.pc + BigInt(decoded.length))
    let target = next
    switch (operation.kind) {
      case "alu": {
        const usesRegister = decoded.instruction.format === "R"
        this.#write(decoded.rd, operation.compute(a, usesRegister ? b : immediate))
        break
      }
      case "lui":
        this.#write(decoded.rd, immediate)
        break
      case "auipc":
        this.#write(decoded.rd, unsigned64(this.pc + immediate))
        break
      case "jal":
        target = unsigned64(this.pc + immediate)
        this.#write(decoded.rd, next)
        break
      case "jalr":
        target = unsigned64(a + immediate) & ~1n
        this.#write(decoded.rd, next)
        break
      case "branch":
        if (operation.taken(a, b)) target = unsigned64(this.pc + immediate)
        break
      case "fence":
      case "system":
        break
      default: {
        const stop = this.#access(decoded, operation, unsigned64(a + immediate), b)
        if (stop !== undefined) return stop
      }
    }
    this.pc = target
    return undefined
  }

  #access(decoded: Decoded, operation: MemoryOperation, address: bigint, operand: bigint): ReferenceStop | undefined {
    const { kind, width } = operation
    const atomic = kind === "load-reserved" || kind === "store-conditional" || kind === "amo"
    if (atomic && address % BigInt(width) !== 0n) {
      return { kind: "exception", cause: kind === "load-reserved" ? MISALIGNED_LOAD : MISALIGNED_STORE, value: address }
    }
    const loaded = this.#load(address, width)
    if (loaded === undefined) return { kind: "io", address }
    switch (kind) {
      case "load":
        this.#write(decoded.rd, operation.signed ? signExtend(loaded, 8 * width) : loaded)
        break
      case "store":
        this.#store(address, width, operand)
        break
      case "load-reserved":
        this.#reservations.reserve(this.#index, address)
        this.#write(decoded.rd, signExtend(loaded, 8 * width))
        break
      case "store-conditional": {
        const held = this.#reservations.release(this.#index, address)
        if (held) this.#store(address, width, operand)
        this.#write(decoded.rd, held ? 0n : 1n)
        break
      }
      case "amo": {
        const memory = signExtend(loaded, 8 * width)
        this.#store(address, width, operation.combine(memory, signExtend(operand, 8 * width)))
        this.#write(decoded.rd, memory)
        break
      }
    }
    return undefined
  }

  #read(register: number): bigint {
    return defined(this.registers[register], "a register is x0…x31")
  }

  #write(register: number, value: bigint): void {
    if (register !== 0) this.registers[register] = value
  }

  #load(address: bigint, width: number): bigint | undefined {
    const at = this.#offset(address, width)
    if (at === undefined) return undefined
    let value = 0n
    for (let index = width - 1; index >= 0; index--) value = (value << 8n) | BigInt(this.memory.bytes[at + index] ?? 0)
    return value
  }

  #store(address: bigint, width: number, value: bigint): void {
    const at = defined(this.#offset(address, width), "a store was looked up before")
    for (let index = 0; index < width; index++) this.memory.bytes[at + index] = Number((value >> BigInt(8 * index)) & 0xffn)
    this.#reservations.breakFor(this.#index, address, width)
  }

  #offset(address: bigint, width: number): number | undefined {
    const offset = address - this.memory.base
    return offset >= 0n && offset + BigInt(width) <= BigInt(this.memory.bytes.length) ? Number(offset) : undefined
  }
}

type MemoryOperation = Extract<Operation, { readonly width: number }>
