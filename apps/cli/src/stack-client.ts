/** Talks to a running stack as its operator: reads where it is from the stack's state file, asks over the bus. */
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { BusUnreachableError, connectToBus } from "@backplane/foundation-runtime/connection"
import type { Json } from "@backplane/foundation-base/json"
import type { NatsConnection } from "@nats-io/nats-core"
import { ROOT } from "./checkout.ts"
import { bad, CommandFailure } from "./failure.ts"

const REQUEST_MILLISECONDS = 5_000
const MACHINES_SUBJECT = "bp.ctl.machines"

export interface StackProcess {
  readonly name: string
  readonly services: readonly string[]
  readonly phase: string
  readonly pid: number | null
  readonly restarts: number
  readonly lastExit: string | null
  /** Of the present phase, milliseconds since 1970. */
  readonly since: number
  readonly cutOff: boolean
  /** The command that runs in the service's stead (`--replace`); a stack of an earlier version does not say it. */
  readonly replacedBy?: string | null
}

export interface StackState {
  readonly home: string
  readonly pid: number
  readonly phase: string
  readonly nats: {
    readonly url: string
    readonly user: string | null
    readonly password: string | null
    /** As whom schedulers speak. */
    readonly scheduler?: { readonly user: string; readonly password: string } | null
  }
  readonly http: { readonly url: string; readonly token: string | null }
  readonly processes: readonly StackProcess[]
}

/** `--home`, else BACKPLANE_HOME, else `.backplane` in the checkout. A variable that is empty is none, as in the services. */
export function homeFolder(given: string | undefined): string {
  if (given === "") throw bad("--home", "the folder has no name; give one, or leave the flag out")
  const set = process.env["BACKPLANE_HOME"]
  return resolve(ROOT, given ?? (set === undefined || set === "" ? ".backplane" : set))
}

/** The stack that runs from `home`, or null. */
export function readStack(home: string): StackState | null {
  const path = join(home, "stack.json")
  if (!existsSync(path)) return null
  const state = JSON.parse(readFileSync(path, "utf8")) as StackState
  try {
    process.kill(state.pid, 0)
    return state
  } catch {
    return null // left by a stack that was killed
  }
}

export function mustReadStack(home: string): StackState {
  const state = readStack(home)
  if (state === null) throw new CommandFailure("no-stack", "no stack is running here: start one with `npm start -- --detach`")
  return state
}

/** What the gateway is asked with: the operator's token, or the one that the user has set. */
export function bearerOf(token: string | null): Record<string, string> {
  const own = process.env["BACKPLANE_TOKEN"] ?? token
  return own === null ? {} : { authorization: `Bearer ${own}` }
}

export class StackClient {
  readonly state: StackState
  readonly connection: NatsConnection
  #machines: readonly string[] = []

  private constructor(state: StackState, connection: NatsConnection) {
    this.state = state
    this.connection = connection
  }

  static async connect(state: StackState): Promise<StackClient> {
    const { url, user, password } = state.nats
    const connection = await connectToBus("operator", {
      natsUrl: url,
      natsUser: user,
      natsPassword: password,
      instance: `cli-${process.pid}`,
      dataFolder: null,
      parentPid: null,
      cyclesPerSecond: 1,
    }).catch((error: unknown) => {
      // Its words name the address and the remedy.
      throw error instanceof BusUnreachableError ? new CommandFailure("no-answer", error.message) : error
    })
    return new StackClient(state, connection)
  }

  /** Asks the office of machines. Throws where it refuses or is silent. */
  async office(request: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, Json>>> {
    const reply = await this.#ask("the hypervisor", MACHINES_SUBJECT, request)
    if (reply["ok"] === true) return reply
    throw new CommandFailure("refused", `${String(reply["field"])}: ${String(reply["reason"])}`)
  }

  /** Of all machines, as far as the office knows them; it is not asked again for one that was there before. */
  async machineNames(wanted: string): Promise<readonly string[]> {
    if (this.#machines.includes(wanted)) return this.#machines
    const { machines } = (await this.office({ op: "list" })) as unknown as { readonly machines: readonly { readonly machine: string }[] }
    this.#machines = machines.map(({ machine }) => machine)
    return this.#machines
  }

  /** Gives a scheduler service its seat on the machine. */
  async takeService(machine: string, service: string): Promise<{ readonly seat: string; readonly layout: string }> {
    const { seat, layout } = await this.office({ op: "seat", machine, service })
    return { seat: String(seat), layout: String(layout) }
  }

  /** What an actor of a machine knows. */
  async inspect(machine: string, actor: string): Promise<Json> {
    return (await this.office({ op: "inspect", machine, actor }))["state"] ?? null
  }

  /** What an actor that a process hosts by itself knows: asked of that process, no office knows it. */
  async inspectAt(instance: string, machine: string, actor: string): Promise<Json> {
    const reply = await this.#ask(instance, `bp.ctl.host.${instance}`, { op: "inspect", machine, actor })
    return reply["state"] ?? null
  }

  /**
   * Switches a process of the stack on or off, or its network; "on" of a service that may grow starts one more; "cycle": killed and started.
   */
  async power(process: string, action: "on" | "off" | "cycle" | "pause" | "resume" | "partition" | "heal"): Promise<void> {
    const reply = await this.#ask("the stack's supervisor", "bp.ctl.host.stack", { op: "power", process, action })
    if (reply["ok"] !== true) throw new CommandFailure("refused", `${process}: ${String(reply["reason"] ?? "refused")}`)
  }

  async #ask(who: string, subject: string, request: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, Json>>> {
    try {
      const reply = await this.connection.request(subject, JSON.stringify(request), { timeout: REQUEST_MILLISECONDS })
      return reply.json()
    } catch (error) {
      throw new CommandFailure("no-answer", `${who} does not answer on ${subject} (${String(error)}): see \`npx nx run stack:status\``)
    }
  }

  async close(): Promise<void> {
    await this.connection.close()
  }
}
