/**
 * A multiprocessor in one process whose time is virtual: CPUs over NUMA nodes run one program, in the order of their clocks; the same start
 * gives the same run to the cycle. Bare: no devices, no privileged state. A CPU ends in `ebreak`; `csrr cycle`, `time` and `mhartid` are
 * answered; anything else a program does outside of user level is its error, and named.
 *
 * Whoever studies an operating system takes the board or the VMM instead; this is for programs about caches, locks and placement.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import type { EngineExit } from "@backplane/compute-contract/engine"
import type { CpuTiming } from "@backplane/compute-contract/timing"
import type { EngineTiming } from "@backplane/compute-engine/engine-timing"
import type { TimedEngine } from "@backplane/compute-engine/timed-engine"

export interface TimedImage {
  readonly entry: bigint
  readonly segments: readonly { readonly address: bigint; readonly data: Uint8Array }[]
}

export interface TimedStart {
  readonly image: TimedImage
  /** The CPUs that run the program; the others stay idle. In this order they are harts 0, 1, …. */
  readonly cpus: readonly number[]
  /** At most six; in a2…a7. */
  readonly parameters: readonly number[]
}

export interface TimedRun {
  /** What each hart returned. */
  readonly results: readonly number[]
  /** When the last hart ended. */
  readonly cycles: number
  readonly instructions: number
  /** By hart. */
  readonly counters: readonly CpuTiming[]
}

/** Called whenever every CPU has come past another multiple of `cycles`. */
export interface Interval {
  readonly cycles: number
  readonly each: (timing: EngineTiming, interval: number) => void
}

const EBREAK = 0x00100073
const C_EBREAK = 0x9002
const PARAMETERS_MAX = 6
const A0 = 10
const TURN_INSTRUCTIONS = 2 ** 40

/** CSR numbers that a program may read. Unprivileged manual, "Zicntr"; privileged manual, table of machine-level CSRs. */
const CSR = { cycle: 0xc00, time: 0xc01, instret: 0xc02, mhartid: 0xf14 } as const
const CSRRS = 2

export class TimedMachine {
  readonly #engine: TimedEngine
  readonly #results = new Map<number, number>()

  /** On an engine that nobody has used. */
  constructor(engine: TimedEngine) {
    this.#engine = engine
  }

  /** Runs the program to its end. Throws when it does what it may not, or is not done after `instructionsMax`. */
  run(start: TimedStart, options: { readonly instructionsMax?: number; readonly interval?: Interval } = {}): TimedRun {
    this.#begin(start)
    const { instructionsMax = 4e9, interval } = options
    const { timing } = this.#engine
    let instructions = 0
    let boundary = 1
    while (this.#results.size < start.cpus.length) {
      assert(instructions < instructionsMax, `the program ends within ${instructionsMax} instructions`)
      const until = interval === undefined ? undefined : boundary * interval.cycles
      const end = timing.runTogether(Math.min(TURN_INSTRUCTIONS, instructionsMax - instructions), until)
      instructions += end.retired
      if (end.cpu !== null) this.#serve(end.cpu, this.#engine.lastExit(end.cpu))
      else if (interval !== undefined && instructions < instructionsMax) interval.each(timing, boundary++)
    }
    return {
      results: start.cpus.map((cpu) => defined(this.#results.get(cpu), "every hart has ended")),
      cycles: Math.max(...start.cpus.map((cpu) => timing.time(cpu))),
      instructions,
      counters: start.cpus.map((cpu) => timing.counters(cpu)),
    }
  }

  #begin({ image, cpus, parameters }: TimedStart): void {
    assert(parameters.length <= PARAMETERS_MAX, `at most ${PARAMETERS_MAX} parameters`)
    for (const { address, data } of image.segments) this.#engine.writeMemory(address, data)
    cpus.forEach((cpu, hart) => {
      const values = [hart, cpus.length, ...parameters]
      values.forEach((value, index) => this.#engine.writeRegister(cpu, A0 + index, BigInt(value)))
      this.#engine.writePc(cpu, image.entry)
      this.#engine.timing.setRunnable(cpu, "runnable")
    })
  }

  #serve(cpu: number, exit: EngineExit): void {
    const isSystem = exit.kind === "system"
    if (isSystem && (exit.instruction === EBREAK || exit.instruction === C_EBREAK)) {
      this.#results.set(cpu, Number(BigInt.asIntN(64, this.#engine.readRegister(cpu, A0))))
      this.#engine.timing.setRunnable(cpu, "waiting")
      return
    }
    const value = isSystem ? this.#csr(cpu, exit.instruction) : null
    if (value === null)
      throw new Error(`CPU ${cpu} at 0x${exit.pc.toString(16)}: ${exit.kind} is not for a bare program: ${JSON.stringify(exit, hex)}`)
    this.#engine.completeSystem(cpu, value)
  }

  /** What `csrr rd, csr` reads; null for any other instruction. */
  #csr(cpu: number, instruction: number): bigint | null {
    if (((instruction >>> 12) & 7) !== CSRRS || ((instruction >>> 15) & 31) !== 0) return null
    switch (instruction >>> 20) {
      case CSR.cycle:
      case CSR.time:
        return BigInt(this.#engine.timing.time(cpu))
      case CSR.instret:
        return this.#engine.readInstret(cpu)
      case CSR.mhartid:
        return BigInt(cpu)
      default:
        return null
    }
  }
}

function hex(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `0x${value.toString(16)}` : value
}
