/**
 * An orderly end of a scheduler service: the machines that it schedules go back to who did so before, and only then it is stopped.
 *
 * Whoever just goes is ejected when the nodes have waited for it long enough, and the machine comes back to it twice before it stays away:
 * seconds that CPUs spend on their own. What went before is noted while the service is there; the program itself has nothing to say, so
 * this works in any language. Who went before may be ending in the same moment: nobody gives a machine to who has said that it leaves, and
 * who gave one looks again afterwards, so one of the two sees the other.
 */
import type { Json } from "@backplane/foundation-base/json"
import { FALLBACK, POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { CommandFailure } from "./failure.ts"

interface Scheduled {
  readonly seats?: readonly { readonly policy: string }[]
  readonly fallback?: boolean
}

interface Machine {
  readonly machine: string
  /** With which it was made. */
  readonly policy: string
}

/** What a goodbye needs of the stack. */
export interface GoodbyeStack {
  readonly office: (request: Readonly<Record<string, unknown>>) => Promise<Readonly<Record<string, Json>>>
  readonly inspect: (machine: string, actor: string) => Promise<Json>
  /** Throws a `CommandFailure` where that policy or service cannot. */
  readonly takeOver: (machine: string, policy: string) => Promise<unknown>
}

export class ServiceGoodbye {
  readonly #stack: GoodbyeStack
  readonly #service: string
  /** By machine: policies that were not the service, the latest last. */
  readonly #before = new Map<string, readonly string[]>()

  constructor(stack: GoodbyeStack, service: string) {
    this.#stack = stack
    this.#service = service
  }

  /** Remembers who schedules now. A machine that does not answer is left out. */
  async note(): Promise<void> {
    for (const { machine } of await this.#machines()) {
      const other = await this.#otherOf(machine)
      if (other === null || other === this.#service) continue
      this.#before.set(machine, [...(this.#before.get(machine) ?? []).filter((one) => one !== other), other])
    }
  }

  /** Returns who schedules which machine from now on. */
  async say(): Promise<readonly { readonly machine: string; readonly policy: string }[]> {
    // An office of an earlier version does not know the word; then all is as it was.
    await this.#stack.office({ op: "leave", service: this.#service }).catch(() => undefined)
    const given: { machine: string; policy: string }[] = []
    for (const { machine, policy } of await this.#machines()) {
      const { seats = [], fallback = false } = await this.#scheduled(machine)
      if (fallback || !seats.some((seat) => seat.policy === this.#service)) continue
      const beside = seats.filter((seat) => seat.policy !== this.#service).map((seat) => seat.policy)
      const wanted = [...beside, ...(this.#before.get(machine) ?? []).toReversed(), policy, FALLBACK]
      given.push({ machine, policy: await this.#giveTo(machine, wanted) })
    }
    return given
  }

  /** To the first of these that can, and stays. */
  async #giveTo(machine: string, [policy = FALLBACK, ...others]: readonly string[]): Promise<string> {
    try {
      await this.#stack.takeOver(machine, policy)
    } catch (error) {
      if (others.length === 0 || !(error instanceof CommandFailure)) throw error
      return this.#giveTo(machine, others)
    }
    return others.length > 0 && (await this.#isEnding(policy)) ? this.#giveTo(machine, others) : policy
  }

  /** Of a service: whether it has gone, or said that it leaves, by now. */
  async #isEnding(policy: string): Promise<boolean> {
    const { services } = (await this.#stack.office({ op: "services" })) as unknown as {
      readonly services: readonly { readonly name: string; readonly leaving?: boolean }[]
    }
    const service = services.find(({ name }) => name === policy)
    return service === undefined ? !POLICY_NAMES.some((name) => name === policy) && policy !== FALLBACK : service.leaving === true
  }

  async #otherOf(machine: string): Promise<string | null> {
    const { seats = [], fallback = false } = await this.#scheduled(machine)
    return fallback ? FALLBACK : (seats.find(({ policy }) => policy !== this.#service)?.policy ?? null)
  }

  async #scheduled(machine: string): Promise<Scheduled> {
    return ((await this.#stack.inspect(machine, HYPERVISOR).catch(() => null)) ?? {}) as Scheduled
  }

  async #machines(): Promise<readonly Machine[]> {
    return (await this.#stack.office({ op: "list" }))["machines"] as unknown as readonly Machine[]
  }
}
