/**
 * An orderly end of a scheduler service: the machines that it schedules go back to who did so before, and only then it is stopped.
 *
 * Whoever just goes is ejected when the nodes have waited for it long enough, and the machine comes back to it twice before it stays away:
 * seconds that CPUs spend on their own. What went before is noted while the service is there; the program itself has nothing to say, so
 * this works in any language.
 */
import { FALLBACK } from "@backplane/scenario-machine/machine-spec"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { takeOver } from "./commands/sched-swap.ts"
import { CommandFailure } from "./failure.ts"
import type { StackClient } from "./stack-client.ts"

interface Scheduled {
  readonly seats?: readonly { readonly policy: string }[]
  readonly fallback?: boolean
}

export class ServiceGoodbye {
  readonly #client: StackClient
  readonly #service: string
  /** By machine: the last policy that was not the service. */
  readonly #before = new Map<string, string>()

  constructor(client: StackClient, service: string) {
    this.#client = client
    this.#service = service
  }

  /** Remembers who schedules now. A machine that does not answer is left out. */
  async note(): Promise<void> {
    for (const machine of await this.#machines()) {
      const other = await this.#otherOf(machine)
      if (other !== null && other !== this.#service) this.#before.set(machine, other)
    }
  }

  /** Returns who schedules which machine from now on. */
  async say(): Promise<readonly { readonly machine: string; readonly policy: string }[]> {
    const given: { machine: string; policy: string }[] = []
    for (const machine of await this.#machines()) {
      const { seats = [], fallback = false } = await this.#scheduled(machine)
      if (fallback || !seats.some(({ policy }) => policy === this.#service)) continue
      const beside = seats.find(({ policy }) => policy !== this.#service)?.policy
      given.push({ machine, policy: await this.#giveTo(machine, beside ?? this.#before.get(machine) ?? FALLBACK) })
    }
    return given
  }

  /** To the nodes themselves where that one has gone, too. */
  async #giveTo(machine: string, policy: string): Promise<string> {
    try {
      await takeOver(this.#client, machine, policy)
      return policy
    } catch (error) {
      if (policy === FALLBACK || !(error instanceof CommandFailure)) throw error
      return this.#giveTo(machine, FALLBACK)
    }
  }

  async #otherOf(machine: string): Promise<string | null> {
    const { seats = [], fallback = false } = await this.#scheduled(machine)
    return fallback ? FALLBACK : (seats.find(({ policy }) => policy !== this.#service)?.policy ?? null)
  }

  async #scheduled(machine: string): Promise<Scheduled> {
    return ((await this.#client.inspect(machine, HYPERVISOR).catch(() => null)) ?? {}) as Scheduled
  }

  async #machines(): Promise<readonly string[]> {
    const { machines } = (await this.#client.office({ op: "list" })) as unknown as { readonly machines: readonly { machine: string }[] }
    return machines.map(({ machine }) => machine)
  }
}
