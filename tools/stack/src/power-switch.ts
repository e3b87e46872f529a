/**
 * The stack's supervisor as a power switch: JSON requests on `bp.ctl.host.stack`, the control subject that operators may ask.
 *
 * A cluster fences a member by cutting its power. "off" kills the process at once and keeps it down, "on" starts it, "cycle" is both.
 * The answer comes when the process is gone, so that whoever waited for it may rely on that. For trying the machine out: "kill" ends it as a
 * crash would (the supervisor starts it again when it would after one), "pause" stops it in its tracks as a hung host, "resume" lets it go on,
 * "partition" loses every message between its actors and those of other processes, "heal" ends that (so does its end).
 */
import type { NatsConnection, Subscription } from "@nats-io/nats-core"
import type { ProcessState } from "./stack-state.ts"

export const POWER_SUBJECT = "bp.ctl.host.stack"

const ACTIONS = ["off", "on", "cycle", "kill", "pause", "resume", "partition", "heal"] as const
export type PowerAction = (typeof ACTIONS)[number]

export type PowerRequest =
  { readonly op: "ping" } | { readonly op: "report" } | { readonly op: "power"; readonly process: string; readonly action: PowerAction }

export interface PowerRejection {
  readonly ok: false
  readonly field: string
  readonly reason: string
}

export interface Powered {
  states(): readonly ProcessState[]
  /** Whether a process that is not among them could be switched on. */
  mayStart(process: string): boolean
  /** Null, or why it was not done. */
  power(process: string, action: PowerAction): Promise<string | null>
}

export function parsePowerRequest(
  text: string,
  processes: readonly string[],
  mayStart: (process: string) => boolean = () => false,
): PowerRequest | PowerRejection {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return no("", "a request is a JSON object")
  }
  if (typeof value !== "object" || value === null) return no("", "a request is a JSON object")
  const { op, process, action } = value as Record<string, unknown>
  if (op === "ping" || op === "report") return { op }
  if (op !== "power") return no("/op", "one of ping, report, power")
  if (typeof process !== "string" || !(processes.includes(process) || (action === "on" && mayStart(process))))
    return no("/process", `one of ${processes.join(", ")}`)
  const known = ACTIONS.find((each) => each === action)
  return known === undefined ? no("/action", `one of ${ACTIONS.join(", ")}`) : { op, process, action: known }
}

/** Answers until the subscription ends with its connection. */
export function servePower(connection: NatsConnection, powered: Powered): Subscription {
  const answer = async (text: string): Promise<object> => {
    const names = powered.states().map((each) => each.name)
    const request = parsePowerRequest(text, names, (name) => powered.mayStart(name))
    if (!("op" in request)) return request
    const refused = request.op === "power" ? await powered.power(request.process, request.action) : null
    if (refused !== null) return no("/action", refused)
    return request.op === "ping" ? { ok: true, op: "ping" } : { ok: true, op: request.op, processes: powered.states().map(publicState) }
  }
  return connection.subscribe(POWER_SUBJECT, {
    callback: (error, message) => {
      if (error !== null) return
      // Whatever goes wrong with one process must not take the supervisor of all with it.
      void answer(message.string())
        .catch((reason: unknown) => no("/action", reason instanceof Error ? reason.message : String(reason)))
        .then((reply) => message.respond(JSON.stringify(reply)))
    },
  })
}

/** Paths of this computer are no business of the bus, nor is a command line. */
function publicState({ name, services, phase, pid, restarts, lastExit, cutOff, replacedBy }: ProcessState): object {
  return { name, services, phase, pid, restarts, lastExit, cutOff, replaced: replacedBy !== null }
}

function no(field: string, reason: string): PowerRejection {
  return { ok: false, field, reason }
}
