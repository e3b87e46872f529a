/** An engine that tells each of its first instructions: address, bits, text, and the registers it changed. Slow while it tells. */
import { disassemble } from "@backplane/compute-riscv/disassemble"
import { REGISTER_NAMES } from "@backplane/compute-riscv/register-names"
import type { Engine, EngineExit } from "@backplane/compute-contract/engine"

export interface TraceOptions {
  readonly instructions: number
  readonly print: (line: string) => void
}

/** The same engine, but for its `run`; and its CPUs leave with every privileged operation. */
export function traceEngine(engine: Engine, options: TraceOptions): Engine {
  const tracer = new Tracer(engine, options)
  const run = (cpu: number, budgetInstructions: number): EngineExit => tracer.run(cpu, budgetInstructions)
  return new Proxy(engine, {
    get(target, property) {
      if (property === "run") return run
      // What the CPU did by itself could not be told.
      if (property === "privileged") return null
      const value: unknown = Reflect.get(target, property)
      return typeof value === "function" ? (...values: unknown[]): unknown => Reflect.apply(value, target, values) : value
    },
  })
}

class Tracer {
  readonly #engine: Engine
  readonly #print: (line: string) => void
  /** Instructions still to be told. Only falls. */
  #left: number

  constructor(engine: Engine, { instructions, print }: TraceOptions) {
    this.#engine = engine
    this.#left = instructions
    this.#print = print
  }

  run(cpu: number, budgetInstructions: number): EngineExit {
    let retired = 0
    while (this.#left > 0 && retired < budgetInstructions) {
      this.#left -= 1
      const exit = this.#step(cpu)
      retired += exit.retired
      if (exit.kind !== "budget") return { ...exit, retired }
    }
    if (retired === budgetInstructions) return { kind: "budget", pc: this.#engine.readPc(cpu), retired }
    const exit = this.#engine.run(cpu, budgetInstructions - retired)
    return { ...exit, retired: retired + exit.retired }
  }

  #step(cpu: number): EngineExit {
    const engine = this.#engine
    const pc = engine.readPc(cpu)
    const text = this.#textAt(cpu, pc)
    const before = engine.captureCpu(cpu).registers
    const exit = engine.run(cpu, 1)
    const changes = before.flatMap((value, register) => {
      const now = engine.readRegister(cpu, register)
      return now === value ? [] : [`${REGISTER_NAMES[register]}=0x${now.toString(16)}`]
    })
    const left =
      exit.kind === "budget" ? "" : ` [${exit.kind}${exit.kind === "exception" ? ` ${exit.cause} 0x${exit.value.toString(16)}` : ""}]`
    this.#print(
      `cpu ${cpu} 0x${pc.toString(16).padStart(16, "0")}  ${text}${changes.length === 0 ? "" : `  ; ${changes.join(" ")}`}${left}`,
    )
    return exit
  }

  #textAt(cpu: number, pc: bigint): string {
    const low = this.#halfwordAt(cpu, pc)
    if (low === undefined) return "(no code)"
    const high = (low & 3) === 3 ? this.#halfwordAt(cpu, pc + 2n) : 0
    if (high === undefined) return "(second half: no code)"
    const raw = (low | (high << 16)) >>> 0
    const { text, length } = disassemble(raw, pc)
    return `${raw
      .toString(16)
      .padStart(length * 2, "0")
      .padEnd(8)}  ${text}`
  }

  #halfwordAt(cpu: number, address: bigint): number | undefined {
    const found = this.#engine.translate(cpu, BigInt.asUintN(64, address), "fetch")
    if (!("address" in found) || !this.#engine.isMemory(found.address, 2)) return undefined
    const [low = 0, high = 0] = this.#engine.readMemory(found.address, 2)
    return low | (high << 8)
  }
}
