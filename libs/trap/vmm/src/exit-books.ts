/** The books of one VM: every exit goes into the ledger, into the steps of OSTEP's tables, and to whoever records it. */
import { Slot } from "@backplane/trap-csr/csr-file"
import type { CostTable } from "./costs.ts"
import { EXIT_CAUSE, EXIT_CLASS, type ExitRecorder } from "./exit-recorder.ts"
import { Ledger } from "./ledger.ts"
import { SystemCalls } from "./system-calls.ts"
import { TlbMisses } from "./tlb-misses.ts"
import type { EngineExit } from "@backplane/compute-contract/engine"
import type { ExitClass } from "./entry.ts"
import type { Vcpu } from "./vcpu.ts"

export interface CountedExit {
  readonly cause: string
  readonly class: ExitClass
  /** It went to the VMM; false for what was served beside the engine. */
  readonly exited: boolean
}

const USER = 0n

export class ExitBooks {
  readonly ledger: Ledger
  readonly systemCalls = new SystemCalls()
  readonly tlbMisses = new TlbMisses()
  readonly #recorder: ExitRecorder | null
  /** Where 64-bit values are cut in halves without making numbers of them: the computer's byte order must be little, as WebAssembly's is. */
  readonly #wide = new BigUint64Array(2)
  readonly #words = new Uint32Array(this.#wide.buffer)

  constructor(costs: CostTable, recorder: ExitRecorder | null) {
    this.ledger = new Ledger(costs)
    this.#recorder = recorder
  }

  /** One exit; at its moment: its own instruction has not retired yet. */
  exit(vcpu: Vcpu, exit: EngineExit, counted: CountedExit): void {
    if (this.#recorder === null) return void this.count(vcpu, counted)
    const time = this.ledger.cycles()
    const duration = this.count(vcpu, counted)
    this.#record(exit, counted, { time, duration, instret: vcpu.executed() })
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

  #record(exit: EngineExit, { class: exitClass, exited }: CountedExit, { time, duration, instret }: When): void {
    const words = this.#words
    this.#wide[0] = exit.pc
    this.#wide[1] = addressOf(exit)
    this.#recorder?.push({
      time,
      instret,
      cause: numberOf(exit),
      pcHigh: words[1] ?? 0,
      pcLow: words[0] ?? 0,
      vaHigh: words[3] ?? 0,
      vaLow: words[2] ?? 0,
      class: exited ? EXIT_CLASS[exitClass] : EXIT_CLASS.assisted,
      duration,
    })
  }
}

interface When {
  readonly time: number
  readonly duration: number
  readonly instret: number
}

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
