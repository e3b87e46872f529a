/** What `backplane chaos machine` does to the processes of its stack: one at a time is killed, paused or cut off, drawn from a seed. */
import type { Random } from "@backplane/foundation-base/random"
import { CommandFailure } from "./failure.ts"
import { readStack, type StackClient, type StackProcess } from "./stack-client.ts"

export const MACHINE_FAULTS = ["kill", "pause", "partition"] as const
export type MachineFault = (typeof MACHINE_FAULTS)[number]

/** Of ten faults, where all may be. */
const SHARES: Readonly<Record<MachineFault, number>> = { kill: 5, pause: 3, partition: 2 }
/** From a hiccup to longer than a node may be silent. */
const HURT_MILLISECONDS = { least: 100, most: 3_000 } as const
const BETWEEN_MILLISECONDS = { least: 400, most: 1_500 } as const
/** A process that is not ready again by then stays away: that is a finding. */
const BACK_MILLISECONDS = 60_000
const POLL_MILLISECONDS = 50
/** The bus cannot be cut off from itself. */
const BUS = "nats-server"

export interface Hurt {
  readonly at: number
  readonly until: number
  readonly fault: MachineFault
  readonly process: string
}

export interface NemesisPlan {
  readonly random: Random
  readonly faults: readonly MachineFault[]
  /** Names of processes or the beginnings of such; empty: all. */
  readonly only: readonly string[]
  readonly say: (line: string) => void
}

export class MachineNemesis {
  readonly #client: StackClient
  readonly #plan: NemesisPlan
  readonly #hurts: Hurt[] = []

  constructor(client: StackClient, plan: NemesisPlan) {
    this.#client = client
    this.#plan = plan
  }

  get hurts(): readonly Hurt[] {
    return this.#hurts
  }

  /** Whom it may hurt, by name. Throws where nobody is left. */
  victims(): readonly string[] {
    const { only } = this.#plan
    const names = this.#processes().map(({ name }) => name)
    const chosen = only.length === 0 ? names : names.filter((name) => only.some((start) => name.startsWith(start)))
    if (chosen.length === 0)
      throw new CommandFailure("bad-input", `--only: no process begins with ${only.join(", ")}; there are ${names.join(", ")}`)
    return chosen
  }

  /** Hurts one after another for so long; each is back before the next is hurt. Throws with the name of one that does not come back. */
  async torment(milliseconds: number): Promise<void> {
    const { random, say } = this.#plan
    const began = Date.now()
    while (Date.now() - began < milliseconds) {
      const process = random.pick(this.victims())
      const drawn = random.pick(this.#plan.faults.flatMap((each) => new Array<MachineFault>(SHARES[each]).fill(each)))
      const at = Date.now()
      const fault = process === BUS ? "kill" : drawn
      await this.#hurt(process, fault)
      const until = Date.now()
      this.#hurts.push({ at, until, fault, process })
      say(`${((at - began) / 1000).toFixed(1)} s: ${fault} of ${process}, back after ${until - at} ms`)
      await sleep(random.between(BETWEEN_MILLISECONDS.least, BETWEEN_MILLISECONDS.most))
    }
  }

  /** Until every process of the stack is ready and reached by all. */
  async healed(): Promise<void> {
    for (const { name } of this.#processes()) await this.#back(name)
  }

  async #hurt(name: string, fault: MachineFault): Promise<void> {
    const { random } = this.#plan
    const pid = this.#find(name)?.pid ?? null
    if (pid === null) return this.#back(name)
    const milliseconds = random.between(HURT_MILLISECONDS.least, HURT_MILLISECONDS.most)
    switch (fault) {
      case "kill": {
        const { restarts = 0 } = this.#find(name) ?? {}
        process.kill(pid, "SIGKILL")
        return this.#back(name, restarts)
      }
      case "pause":
        process.kill(pid, "SIGSTOP")
        await sleep(milliseconds)
        process.kill(pid, "SIGCONT")
        return
      case "partition":
        await this.#client.power(name, "partition")
        await sleep(milliseconds)
        return this.#client.power(name, "heal")
    }
  }

  /** Ready, in a life after the one with so many restarts. */
  async #back(name: string, restarts = -1): Promise<void> {
    for (const deadline = Date.now() + BACK_MILLISECONDS; Date.now() < deadline; await sleep(POLL_MILLISECONDS)) {
      const found = this.#find(name)
      if (found?.phase === "ready" && !found.cutOff && found.restarts > restarts) return
    }
    throw new CommandFailure(
      "gone",
      `${name} was hurt and is not back after ${BACK_MILLISECONDS / 1000} s: it is ${this.#find(name)?.phase ?? "gone"}`,
    )
  }

  #find(name: string): StackProcess | undefined {
    return this.#processes().find((one) => one.name === name)
  }

  #processes(): readonly StackProcess[] {
    return readStack(this.#client.state.home)?.processes ?? []
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
