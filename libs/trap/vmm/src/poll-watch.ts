/**
 * vCPUs of a VM that look busy and only poll: their loops (idle-loop.ts), how much of one may be skipped, and who was said to poll.
 *
 * Not here: when a vCPU is looked at and what a run answers then (vm.ts).
 */
import { defined } from "@backplane/foundation-base/assert"
import type { Engine, EngineExit } from "@backplane/compute-contract/engine"
import { IdleLoop, totalsOf } from "./idle-loop.ts"
import type { Vcpu } from "./vcpu.ts"

export interface PollPort {
  readonly engine: Engine
  readonly vcpus: readonly Vcpu[]
  ran(vcpu: Vcpu, retired: number): void
  onExit(vcpu: Vcpu, left: { readonly exit: EngineExit; readonly cpu: number }): void
  /** A sibling has something to do. */
  othersCanRun(vcpu: Vcpu): boolean
}

/** Nothing but the outside ends its `loop`; or it came `round` in its kernel and found nothing to do (`Served.cameBack`). */
export type Polls = "loop" | "round"

export class PollWatch {
  readonly #port: PollPort
  readonly #loops: readonly IdleLoop[]
  /** vCPUs that were last said to poll, and how that is known. */
  readonly #polling = new Map<number, Polls>()
  /** Units that the present run may skip of a loop, before it gives the CPU away; null: it does not give it away. */
  #skippable: number | null = null

  constructor(port: PollPort) {
    this.#port = port
    this.#loops = port.vcpus.map(() => new IdleLoop(port.engine))
  }

  /** A run begins. */
  begin(skippable: number | null): void {
    this.#skippable = skippable
  }

  loopOf({ index }: Vcpu): IdleLoop {
    return defined(this.#loops[index], "every vCPU has its watch")
  }

  /** Does it only poll? Then whole rounds are counted as executed; who may give the CPU away, does so when it has caught up: true. */
  look(vcpu: Vcpu, { cpu, most }: { readonly cpu: number; readonly most: number }): boolean {
    const { engine, ran, onExit, othersCanRun } = this.#port
    const idle = this.loopOf(vcpu)
    const { steps, round, exit } = idle.look(cpu, most)
    ran(vcpu, steps)
    if (exit !== null) {
      idle.disturbed()
      onExit(vcpu, { exit, cpu })
    }
    if (round === null) return false
    const givesAway = this.#skippable !== null && !othersCanRun(vcpu)
    const rounds = Math.floor(Math.min(most - steps, givesAway ? (this.#skippable ?? 0) : Infinity) / round)
    if (rounds > 0) {
      engine.writeInstret(cpu, engine.readInstret(cpu) + BigInt(rounds * round))
      ran(vcpu, rounds * round)
      idle.skipped(rounds * round)
    }
    return givesAway
  }

  /** It is said to poll. */
  add({ index }: Vcpu, how: Polls): void {
    this.#polling.set(index, how)
  }

  /** It runs. */
  delete({ index }: Vcpu): void {
    this.#polling.delete(index)
  }

  has({ index }: Vcpu): boolean {
    return this.#polling.has(index)
  }

  /** Memory was written by the outside: proofs hold no longer, and who polls may find what it waited for. Who has nothing to do is told by interrupts. */
  written(): void {
    for (const [index, how] of this.#polling) if (how === "loop") this.#polling.delete(index)
    this.disturbed()
  }

  /** A page has gone: a proof that a loop only polls holds no longer. Who was said to poll looks again in its next tick. */
  disturbed(): void {
    for (const idle of this.#loops) idle.disturbed()
  }

  totals(): { readonly found: number; readonly skipped: number } {
    return totalsOf(this.#loops)
  }
}
