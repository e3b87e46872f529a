/** A small stage for engine laws: code, Sv39 tables and registers put in place by hand. Not here: any judgement. */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import type { Engine, EngineExit, PrivilegeLevel, Translation } from "@backplane/compute-contract/engine"

/** Page table entry bits. Privileged manual, "Sv39". */
export const PTE = { V: 1n, R: 2n, W: 4n, X: 8n, U: 16n, G: 32n, A: 64n, D: 128n } as const

/** RAM that every law may rely on. */
export const STAGE_MEMORY_BYTES = 8 * 2 ** 20
export const STAGE_CPUS = 2

const CODE = RAM_BASE
/** Tables grow from here, a page each. */
const TABLES = RAM_BASE + 0x20_0000n

export const ebreak = 0x00100073

export class Setting {
  readonly engine: Engine
  readonly root = TABLES
  #nextTable = TABLES + 0x1000n

  constructor(engine: Engine) {
    this.engine = engine
    engine.writeMemory(TABLES, new Uint8Array(0x20_0000))
  }

  /** Raw instructions at a physical address: 16-bit ones take two bytes. */
  code(instructions: readonly number[], at: bigint = CODE): void {
    const bytes = instructions.flatMap((raw) => ((raw & 3) === 3 ? [raw, raw >>> 8, raw >>> 16, raw >>> 24] : [raw, raw >>> 8]))
    this.engine.writeMemory(
      at,
      Uint8Array.from(bytes, (byte) => byte & 0xff),
    )
  }

  registers(cpu: number, values: Readonly<Record<number, bigint>>): void {
    for (const [register, value] of Object.entries(values)) this.engine.writeRegister(cpu, Number(register), BigInt.asUintN(64, value))
  }

  /** From `pc` (the code's place unless given) until an exit or `budget` instructions. */
  run(options: { readonly cpu?: number; readonly pc?: bigint; readonly budget?: number } = {}): EngineExit {
    const cpu = options.cpu ?? 0
    this.engine.writePc(cpu, options.pc ?? CODE)
    return this.engine.run(cpu, options.budget ?? 1000)
  }

  read64(address: bigint): bigint {
    return new DataView(this.engine.readMemory(address, 8).buffer).getBigUint64(0, true)
  }

  write64(address: bigint, value: bigint): void {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigUint64(0, value, true)
    this.engine.writeMemory(address, bytes)
  }

  /** Makes the leaf for `virtual` at `level` (0: 4 KiB, 1: 2 MiB, 2: 1 GiB); returns its entry's address. */
  map(virtual: bigint, physical: bigint, flags: bigint, level = 0, root: bigint = this.root): bigint {
    let table = root
    for (let depth = 2; depth > level; depth--) {
      const at = table + index(virtual, depth) * 8n
      let entry = this.read64(at)
      if ((entry & PTE.V) === 0n) {
        entry = ((this.newTable() >> 12n) << 10n) | PTE.V
        this.write64(at, entry)
      }
      table = (entry >> 10n) << 12n
    }
    const at = table + index(virtual, level) * 8n
    this.write64(at, ((physical >> 12n) << 10n) | flags)
    return at
  }

  newTable(): bigint {
    const table = this.#nextTable
    this.#nextTable += 0x1000n
    return table
  }

  paging(privilege: PrivilegeLevel, options: Partial<Translation> = {}, cpu = 0): void {
    this.engine.setTranslation(cpu, {
      mode: "sv39",
      root: this.root >> 12n,
      fetchPrivilege: privilege,
      dataPrivilege: privilege,
      sum: false,
      mxr: false,
      ...options,
    })
  }

  bare(cpu = 0): void {
    this.engine.setTranslation(cpu, { mode: "bare", root: 0n, fetchPrivilege: 3, dataPrivilege: 3, sum: false, mxr: false })
  }
}

function index(virtual: bigint, level: number): bigint {
  return (virtual >> BigInt(12 + 9 * level)) & 511n
}

/** A law of every engine: `check` gets a fresh stage with at least STAGE_MEMORY_BYTES and STAGE_CPUS. */
export interface EngineLaw {
  readonly law: string
  /** What is wrong, or `undefined`. */
  readonly check: (setting: Setting) => string | undefined
}

/** The first that is wrong. */
export function firstWrong(...findings: readonly (string | undefined)[]): string | undefined {
  return findings.find((finding) => finding !== undefined)
}

/** Bigints in hex, so that a difference can be read. */
function show(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => (typeof field === "bigint" ? `0x${field.toString(16)}` : field))
}

/** Each field of `expected` is so in `actual`. */
export function expectFields(what: string, actual: object, expected: object): string | undefined {
  const values = new Map(Object.entries(actual))
  for (const [field, value] of Object.entries(expected)) {
    if (values.get(field) !== value) return `${what}: ${field} is ${show(values.get(field))}, not ${show(value)}, in ${show(actual)}`
  }
  return undefined
}

export function expectSame(what: string, actual: unknown, expected: unknown): string | undefined {
  return actual === expected ? undefined : `${what}: ${show(actual)}, not ${show(expected)}`
}
