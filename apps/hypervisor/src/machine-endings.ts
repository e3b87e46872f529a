/**
 * Machines that are being taken down. What their actors kept goes when nobody writes it any more: a process that does not answer may still, and is
 * asked until it does or is taken for gone. Until then nobody may take the machine's name.
 */
import type { HostingRequest } from "@backplane/cluster-hosting/hosting"
import type { ProcessReply } from "./process-requests.ts"

const AGAIN_MILLISECONDS = 500

export interface EndingsOptions {
  readonly ask: (request: HostingRequest) => Promise<ProcessReply>
  /** Processes that were heard of lately. */
  readonly living: () => ReadonlySet<string>
  /** Clears away what the machine's actors kept. */
  readonly forget: (machine: string) => void
  /** There is a machine of this name (again). */
  readonly isMachine: (machine: string) => boolean
  readonly isStopped: () => boolean
}

export class MachineEndings {
  readonly #options: EndingsOptions
  readonly #ending = new Set<string>()

  constructor(options: EndingsOptions) {
    this.#options = options
  }

  has(machine: string): boolean {
    return this.#ending.has(machine)
  }

  /** One that comes back after it was taken for gone is told when it says what it hosts (`takeOff`), and what it wrote meanwhile goes then. */
  async takeDown(machine: string, requests: readonly HostingRequest[]): Promise<void> {
    const { ask, living, forget, isStopped } = this.#options
    this.#ending.add(machine)
    for (let left = requests; left.length > 0 && !isStopped();) {
      const replies = await Promise.all(left.map(ask))
      const alive = living()
      left = left.filter(({ instance }, index) => replies[index]?.ok !== true && alive.has(instance))
      if (left.length > 0) await new Promise((resolve) => setTimeout(resolve, AGAIN_MILLISECONDS))
    }
    forget(machine)
    this.#ending.delete(machine)
  }

  /** Takes actors off a process that should not have them. */
  async takeOff(request: HostingRequest): Promise<void> {
    const { machine } = request
    const { ok } = await this.#options.ask(request)
    if (ok && !this.#options.isMachine(machine) && !this.#ending.has(machine)) this.#options.forget(machine)
  }
}
