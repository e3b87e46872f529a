/**
 * The information gap, closed without the guest's help: finds out that a vCPU polls in a loop which nothing but the outside can end.
 *
 * A guest that waits without wfi looks busy. But if its registers and pc come back to what they were, and no instruction between wrote
 * memory or left the engine, then every further round is the same until somebody else writes memory, time makes an interrupt due or a
 * device raises one. That is a proof, not a guess: whole rounds can be counted as executed without being executed, and nobody could tell.
 * OSTEP, appendix B, "the information gap"; Disco's answer was a changed guest, hardware's (pause-loop exiting) is a count of `pause`.
 * I6: what is skipped is whole rounds, and ends before the next timer, window and budget.
 *
 * Not found: loops that count (a time-out), read the clock or poll a device; they change a register or leave the engine each time. Those
 * that read RAM at a fixed place are: spin locks, flags, run queues that are empty.
 */
import type { Engine } from "@backplane/compute-contract/engine"

/**
 * Instructions without an exit before a vCPU is looked at. Then twice as many each time nothing is found. A look costs as much as some ten thousand
 * instructions, so it must be rarer than that, or guests that do something pay for those that do not.
 */
const QUIET_FIRST = 65_536
const QUIET_MAX = 1 << 20
/** Rounds are no longer than this. */
const ROUND_MAX = 48
const REGISTERS = 32
const OPCODE = 0x7f
/** Opcodes that write memory (stores, atomics), or leave the engine (system). Compressed ones are judged by `writes`. */
const FORBIDDEN: ReadonlySet<number> = new Set([0x23, 0x2f, 0x73])

/** One vCPU's watch. The state is a hint: losing it costs time only. */
export class IdleLoop {
  readonly #engine: Engine
  readonly #read: (pc: bigint) => number | null
  readonly #leavesTraces: (instruction: number) => boolean
  #quiet = 0
  #lookAfter = QUIET_FIRST
  #found = 0
  #skipped = 0

  /** `read`: the 32 bits at a virtual address as the vCPU fetches them now, null where that cannot be told. */
  constructor(engine: Engine, read: (pc: bigint) => number | null, leavesTraces: (instruction: number) => boolean = writes) {
    this.#engine = engine
    this.#read = read
    this.#leavesTraces = leavesTraces
  }

  /** Rounds found, and instructions counted without being executed. */
  counts(): { readonly found: number; readonly skipped: number } {
    return { found: this.#found, skipped: this.#skipped }
  }

  /** Something happened to the vCPU: an exit, an interrupt. */
  disturbed(): void {
    this.#quiet = 0
    this.#lookAfter = QUIET_FIRST
  }

  /** How far to let it run before it is looked at. */
  stretch(): number {
    return Math.max(1, this.#lookAfter - this.#quiet)
  }

  /** It ran so far without leaving. Is it time to look? `room`: it may run on now; else it is looked at when its turn comes again. */
  ranQuietly(instructions: number, { room }: { readonly room: boolean }): boolean {
    this.#quiet += instructions
    if (this.#quiet < this.#lookAfter || !room) return false
    this.#quiet = 0
    this.#lookAfter = Math.min(QUIET_MAX, 2 * this.#lookAfter)
    return true
  }

  /**
   * Steps the vCPU on through at most one round, `most` instructions at most, and says how many it took and how long the round is. The
   * steps are ordinary execution; `left`: one of them left the engine, and the exit is for the caller.
   */
  look(cpu: number, most: number): Look {
    const start = this.#stateOf(cpu)
    const limit = Math.min(most, ROUND_MAX)
    let steps = 0
    while (steps < limit) {
      const instruction = this.#read(this.#engine.readPc(cpu))
      if (instruction === null || this.#leavesTraces(instruction)) return { steps, round: null, exit: null }
      const exit = this.#engine.run(cpu, 1)
      steps += exit.retired
      if (exit.kind !== "budget") return { steps, round: null, exit }
      if (this.#engine.readPc(cpu) === start.pc && this.#isSame(cpu, start)) {
        this.#found += 1
        this.#lookAfter = 1
        return { steps, round: steps, exit: null }
      }
    }
    return { steps, round: null, exit: null }
  }

  skipped(instructions: number): void {
    this.#skipped += instructions
  }

  #stateOf(cpu: number): { readonly pc: bigint; readonly registers: readonly bigint[] } {
    const { pc, registers } = this.#engine.captureCpu(cpu)
    return { pc, registers }
  }

  #isSame(cpu: number, { registers }: { readonly registers: readonly bigint[] }): boolean {
    for (let index = 1; index < REGISTERS; index += 1) if (this.#engine.readRegister(cpu, index) !== registers[index]) return false
    return true
  }
}

export interface Look {
  readonly steps: number
  /** Instructions of one round; null: none was found. */
  readonly round: number | null
  readonly exit: ReturnType<Engine["run"]> | null
}

/** May this instruction write memory, or leave the engine? Privileged and unprivileged manual, opcode maps. */
function writes(instruction: number): boolean {
  if ((instruction & 3) === 3) return FORBIDDEN.has(instruction & OPCODE)
  // Quadrants 0 and 2: functions 5 to 7 are the stores; c.ebreak lies in function 4 of quadrant 2.
  const quadrant = instruction & 3
  const operation = (instruction >>> 13) & 7
  if (quadrant === 1) return false
  return operation >= 5 || (instruction & 0xffff) === 0x9002
}
