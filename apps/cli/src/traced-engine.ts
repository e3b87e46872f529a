/** An engine that tells each of its first instructions: address, bits, text, and the registers it changed. Slow while it tells. */
import { WasmEngine } from "@backplane/compute-engine/engine"
import { disassemble } from "@backplane/compute-riscv/disassemble"
import { REGISTER_NAMES } from "@backplane/compute-riscv/register-names"
import type { EngineExit, EngineOptions } from "@backplane/compute-contract/engine"

export class TracedEngine extends WasmEngine {
  /** Instructions still to be told. Only falls. */
  #left: number
  readonly #print: (line: string) => void

  constructor(options: EngineOptions, instructions: number, print: (line: string) => void) {
    super(options)
    this.#left = instructions
    this.#print = print
  }

  override run(cpu: number, budgetInstructions: number): EngineExit {
    let retired = 0
    while (this.#left > 0 && retired < budgetInstructions) {
      this.#left -= 1
      const exit = this.#step(cpu)
      retired += exit.retired
      if (exit.kind !== "budget") return { ...exit, retired }
    }
    if (retired === budgetInstructions) return { kind: "budget", pc: this.readPc(cpu), retired }
    const exit = super.run(cpu, budgetInstructions - retired)
    return { ...exit, retired: retired + exit.retired }
  }

  #step(cpu: number): EngineExit {
    const pc = this.readPc(cpu)
    const text = this.#textAt(cpu, pc)
    const before = this.captureCpu(cpu).registers
    const exit = super.run(cpu, 1)
    const changes = before.flatMap((value, register) => {
      const now = this.readRegister(cpu, register)
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
    const found = this.translate(cpu, address, "fetch")
    if (!("address" in found) || !this.isMemory(found.address, 2)) return undefined
    const [low = 0, high = 0] = this.readMemory(found.address, 2)
    return low | (high << 8)
  }
}
