/** The books of one VM: every exit goes into the ledger, into the steps of OSTEP's tables, and to whoever records it. */
import { servedCauses } from "@backplane/trap-board/serving"
import { Slot } from "@backplane/trap-csr/csr-file"
import type { CostTable } from "./costs.ts"
import { EXIT_CAUSE, EXIT_CLASS, type ExitRecord, type ExitRecorder } from "./exit-recorder.ts"
import { Ledger } from "./ledger.ts"
import { SystemCalls } from "./system-calls.ts"
import { TlbMisses } from "./tlb-misses.ts"
import type { EngineExit } from "@backplane/compute-contract/engine"
import type { Served } from "@backplane/compute-contract/privileged"
import type { ExitClass } from "./entry.ts"
import type { Vcpu } from "./vcpu.ts"

export interface CountedExit {
  readonly cause: string
  readonly class: ExitClass
  /** It went to the VMM; false for what was served beside the engine. */
  readonly exited: boolean
}

const USER = 0n
const OF_SPACES: ReadonlySet<string> = new Set(["satp", "fence"])

export class ExitBooks {
  readonly ledger: Ledger
  readonly systemCalls = new SystemCalls()
  readonly tlbMisses = new TlbMisses()
  readonly #recorder: ExitRecorder | null
  /** Where 64-bit values are cut in halves without making numbers of them: the computer's byte order must be little, as WebAssembly's is. */
  readonly #wide = new BigUint64Array(2)
  readonly #words = new Uint32Array(this.#wide.buffer)
  /** The record that recorders are shown: one for all exits, since making one each time would cost as much as noting it. */
  readonly #shown: Mutable<ExitRecord> = { time: 0, instret: 0, cause: 0, pcHigh: 0, pcLow: 0, vaHigh: 0, vaLow: 0, class: 0, duration: 0 }

  constructor(costs: CostTable, recorder: ExitRecorder | null) {
    this.ledger = new Ledger(costs)
    this.#recorder = recorder
  }

  /** One exit; at its moment: its own instruction has not retired yet. */
  exit(vcpu: Vcpu, exit: EngineExit, counted: CountedExit): void {
    const recorder = this.#recorder
    if (recorder === null) return void this.count(vcpu, counted)
    const shown = this.#shown
    shown.time = this.ledger.cycles()
    shown.duration = this.count(vcpu, counted)
    shown.instret = vcpu.executed()
    shown.class = counted.exited ? EXIT_CLASS[counted.class] : EXIT_CLASS.assisted
    shown.cause = numberOf(exit)
    this.#wide[0] = exit.pc
    shown.pcHigh = this.#words[1] ?? 0
    shown.pcLow = this.#words[0] ?? 0
    shown.vaHigh = 0
    shown.vaLow = 0
    // Most exits have no address, and 64-bit numbers are costly.
    if (exit.kind !== "system") this.#showAddress(addressOf(exit))
    recorder.push(shown)
  }

  /** Its virtual cycles. */
  count(vcpu: Vcpu, { cause, class: exitClass, exited }: CountedExit): number {
    let cycles = 0
    if (exited) cycles = this.ledger.count(cause, exitClass)
    else this.ledger.countAssisted(cause)
    this.systemCalls.see({ vcpu: vcpu.index, cause, exited, user: vcpu.file.get(Slot.privilege) === USER })
    if (vcpu.file.tlb !== null) this.tlbMisses.see({ vcpu: vcpu.index, cause, exited })
    return cycles
  }

  /**
   * What a vCPU's CPU did without leaving, after its instructions were counted: what of it are exits that the VMM answered inside the engine, vcpu-serving.ts
   * says. The recorder hears nothing of it: where there is one, no exit goes that way.
   */
  served(vcpu: Vcpu, served: Served): void {
    const exits = vcpu.serving?.exits ?? "none"
    const isExit = (cause: string): boolean => exits === "all" || (exits === "spaces" && OF_SPACES.has(cause))
    const named = { satp: exits === "none" ? "csr" : "satp" } as const
    for (const [cause, count] of servedCauses(served, named)) {
      if (isExit(cause)) this.ledger.count(cause, "R", count)
      else this.ledger.countAssisted(cause, count)
    }
    const { calls } = served
    const inside = calls.exits === null ? [] : servedCauses(calls.exits.inside, named).filter(([cause]) => isExit(cause))
    this.systemCalls.served(vcpu.index, calls, { inside, ends: exits === "all" ? 1 : 0 })
    vcpu.served(served)
  }

  #showAddress(address: bigint): void {
    this.#wide[1] = address
    this.#shown.vaHigh = this.#words[3] ?? 0
    this.#shown.vaLow = this.#words[2] ?? 0
  }
}

type Mutable<Record> = { -readonly [Field in keyof Record]: Record[Field] }

function addressOf(exit: EngineExit): bigint {
  switch (exit.kind) {
    case "exception":
      return exit.value
    case "watch":
      return exit.address
    case "io-load":
    case "io-store":
    case "tlb-miss":
    case "stage-miss":
    case "frame":
      return exit.virtualAddress
    default:
      return 0n
  }
}

function numberOf(exit: EngineExit): number {
  switch (exit.kind) {
    case "exception":
      return exit.cause
    case "io-load":
      return EXIT_CAUSE.ioLoad
    case "io-store":
      return EXIT_CAUSE.ioStore
    case "watch":
      return EXIT_CAUSE.watch
    case "tlb-miss":
      return EXIT_CAUSE.tlbMiss
    case "stage-miss":
      return EXIT_CAUSE.stageMiss
    case "frame":
      return EXIT_CAUSE.frame
    default:
      return EXIT_CAUSE.system
  }
}
