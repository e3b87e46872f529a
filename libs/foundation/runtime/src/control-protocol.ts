/**
 * What a service can be told, as JSON requests on `bp.ctl.host.<instance>`, and what it says of itself each second on
 * `bp.ctl.alive.<service>`. Plain JSON so that the `nats` command line tool is enough to talk to a service.
 */
import { isActorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"

/** `free`: virtual time is the paced wall clock. `lock-step`: the machine clock `clock.0` grants it. */
export type HostMode = FreeMode | LockStepMode

export interface FreeMode {
  readonly kind: "free"
  /** Pace of virtual time; missing: as the service was configured. */
  readonly cyclesPerSecond?: number
  /** Unix milliseconds of virtual time 0, the same for all services of a machine; missing: now. */
  readonly originMilliseconds?: number
}

export interface LockStepMode {
  readonly kind: "lock-step"
  /** Cycles from a send to its delivery: the lookahead of the machine clock. */
  readonly latencyCycles: number
  readonly persistLatencyCycles: number
}

export interface HostedActorRequest {
  readonly id: ActorId
  /** What the actor factory gets; its shape is the app's business. */
  readonly config: Json
}

export type ControlRequest =
  | {
      readonly op: "host"
      readonly machine: string
      /** Raised by whoever restarts a machine: the same epoch again changes nothing, a lower one is refused. */
      readonly epoch: number
      readonly mode: HostMode
      readonly actors: readonly HostedActorRequest[]
    }
  | { readonly op: "unhost"; readonly machine: string; readonly actors: readonly ActorId[] | "all" }
  /**
   * Loses what goes to and comes from these actors of other processes from now on; none: nothing any more. "all": whoever they are, as a
   * network that is partitioned around this process. For chaos runs; control requests like this one still come through.
   */
  | { readonly op: "cut"; readonly peers: readonly ActorId[] | "all" }
  | { readonly op: "ping" }
  | { readonly op: "report" }
  | { readonly op: "inspect"; readonly machine: string; readonly actor: ActorId }

export interface ActorReport {
  readonly machine: string
  readonly actor: ActorId
  readonly epoch: number
  readonly mode: HostMode["kind"]
  readonly inboxLength: number
  readonly inboxDropped: number
  readonly inputs: number
  readonly sent: number
  readonly timers: number
  readonly now: number
}

export type ControlReply =
  | { readonly ok: true; readonly op: "host"; readonly started: readonly ActorId[]; readonly already: readonly ActorId[] }
  | { readonly ok: true; readonly op: "unhost"; readonly stopped: readonly ActorId[] }
  | { readonly ok: true; readonly op: "cut"; readonly lost: number }
  | { readonly ok: true; readonly op: "ping"; readonly service: string; readonly instance: string; readonly incarnation: string }
  | {
      readonly ok: true
      readonly op: "report"
      readonly service: string
      readonly instance: string
      readonly incarnation: string
      readonly pid: number
      readonly actors: readonly ActorReport[]
      readonly bus: Readonly<Record<string, number>>
    }
  | { readonly ok: true; readonly op: "inspect"; readonly machine: string; readonly actor: ActorId; readonly state: Json }
  | { readonly ok: false; readonly field: string; readonly reason: string }

export interface AliveNotice {
  readonly service: string
  readonly instance: string
  /** New at each start of the process. */
  readonly incarnation: string
  readonly pid: number
  readonly hosting: readonly { readonly machine: string; readonly actor: ActorId; readonly epoch: number }[]
}

export interface ControlRejection {
  readonly ok: false
  readonly field: string
  readonly reason: string
}

const MACHINE = /^[a-z0-9][a-z0-9-]{0,63}$/
const ACTORS_MAX = 4096

/** Checks a request from outside. */
export function parseControlRequest(value: unknown): ControlRequest | ControlRejection {
  if (!isRecord(value)) return no("", "a request is a JSON object")
  const op = value["op"]
  if (op === "ping" || op === "report") return { op }
  if (op === "cut") return parseCut(value["peers"])
  if (op !== "host" && op !== "unhost" && op !== "inspect") return no("/op", "one of host, unhost, cut, ping, report, inspect")
  const machine = value["machine"]
  if (typeof machine !== "string" || !isMachineName(machine))
    return no("/machine", "small letters, digits and dashes, at most 64, and not ctl")
  if (op === "inspect") return parseInspect(machine, value["actor"])
  return op === "host" ? parseHost(machine, value) : parseUnhost(machine, value["actors"])
}

/** True for the name of a machine that may stand in a subject. */
export function isMachineName(text: string): boolean {
  return MACHINE.test(text) && text !== "ctl"
}

function parseHost(machine: string, value: Readonly<Record<string, unknown>>): ControlRequest | ControlRejection {
  const epoch = value["epoch"] ?? 1
  if (!isWhole(epoch)) return no("/epoch", "a whole number, at least 0")
  const mode = parseMode(value["mode"] ?? { kind: "free" })
  if ("ok" in mode) return mode
  const list = value["actors"]
  if (!Array.isArray(list) || list.length === 0 || list.length > ACTORS_MAX)
    return no("/actors", `a list of 1 to ${ACTORS_MAX} {id, config}`)
  const actors: HostedActorRequest[] = []
  for (const [index, each] of list.entries()) {
    const id: unknown = isRecord(each) ? each["id"] : undefined
    if (typeof id !== "string" || !isActorId(id))
      return no(`/actors/${index}/id`, "an actor's name is kind.index in small letters, digits and dashes")
    if (actors.some((other) => other.id === id)) return no(`/actors/${index}/id`, `${id} is named twice`)
    actors.push({ id, config: (isRecord(each) ? (each["config"] ?? null) : null) as Json })
  }
  return { op: "host", machine, epoch, mode, actors }
}

function parseMode(value: unknown): HostMode | ControlRejection {
  if (!isRecord(value)) return no("/mode", '{"kind":"free"} or {"kind":"lock-step", …}')
  if (value["kind"] === "free") return parseFree(value["cyclesPerSecond"], value["originMilliseconds"])
  if (value["kind"] !== "lock-step") return no("/mode/kind", "free or lock-step")
  const latencyCycles = value["latencyCycles"]
  const persistLatencyCycles = value["persistLatencyCycles"]
  if (!isWhole(latencyCycles) || latencyCycles === 0) return no("/mode/latencyCycles", "a whole number of cycles, at least 1")
  if (!isWhole(persistLatencyCycles)) return no("/mode/persistLatencyCycles", "a whole number of cycles, at least 0")
  return { kind: "lock-step", latencyCycles, persistLatencyCycles }
}

function parseFree(cyclesPerSecond: unknown, originMilliseconds: unknown): HostMode | ControlRejection {
  if (cyclesPerSecond !== undefined && (!isWhole(cyclesPerSecond) || cyclesPerSecond === 0)) {
    return no("/mode/cyclesPerSecond", "a whole number, at least 1")
  }
  if (originMilliseconds !== undefined && (typeof originMilliseconds !== "number" || !Number.isFinite(originMilliseconds))) {
    return no("/mode/originMilliseconds", "Unix milliseconds")
  }
  return {
    kind: "free",
    ...(cyclesPerSecond === undefined ? {} : { cyclesPerSecond }),
    ...(originMilliseconds === undefined ? {} : { originMilliseconds }),
  }
}

function parseInspect(machine: string, actor: unknown): ControlRequest | ControlRejection {
  if (typeof actor !== "string" || !isActorId(actor)) return no("/actor", "an actor's name is kind.index")
  return { op: "inspect", machine, actor }
}

function parseUnhost(machine: string, actors: unknown): ControlRequest | ControlRejection {
  if (actors === "all") return { op: "unhost", machine, actors }
  if (!Array.isArray(actors)) return no("/actors", '"all" or a list of names')
  const names: ActorId[] = []
  for (const [index, each] of actors.entries()) {
    if (typeof each !== "string" || !isActorId(each)) return no(`/actors/${index}`, "an actor's name is kind.index")
    names.push(each)
  }
  return { op: "unhost", machine, actors: names }
}

function parseCut(peers: unknown): ControlRequest | ControlRejection {
  if (peers === "all") return { op: "cut", peers }
  if (!Array.isArray(peers) || peers.length > ACTORS_MAX) return no("/peers", '"all" or a list of names; an empty one ends the cut')
  const names: ActorId[] = []
  for (const [index, each] of peers.entries()) {
    if (typeof each !== "string" || !isActorId(each)) return no(`/peers/${index}`, "an actor's name is kind.index")
    names.push(each)
  }
  return { op: "cut", peers: names }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" && !Array.isArray(value)
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
}

function no(field: string, reason: string): ControlRejection {
  return { ok: false, field, reason }
}
