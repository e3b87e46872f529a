/**
 * Everything that crosses the bus, as one list: from it come MESSAGES.md and asyncapi.json.
 *
 * Three families: messages between actors (from the contracts), messages of lock-step, and control requests as plain JSON.
 */
import { SERVICE_RULES } from "@backplane/nats/permissions"
import { MESSAGES } from "@backplane/scenario-codec/message-schemas"
import type { TSchema } from "typebox"
import { directionOf, KINDS, type Direction, type KindName } from "./direction.ts"
import { AliveNotice, HostReply, HostRequest } from "./host-schemas.ts"
import { lockstepMessages } from "./lockstep-schemas.ts"
import { OfficeReply, OfficeRequest } from "./office-schemas.ts"

export interface CatalogueMessage extends Direction {
  readonly kind: string
  readonly subsystem: string
  readonly schema: TSchema
}

/** One subject of the control plane: who listens, and what goes there. */
export interface ControlSubject {
  readonly name: string
  readonly subject: string
  /** The services that listen; `every` for all. */
  readonly listener: "every" | "hypervisor"
  readonly speakers: "every" | "operators"
  readonly summary: string
  readonly message: ControlMessage
  /** Null where nobody answers. */
  readonly reply: ControlMessage | null
}

export interface ControlMessage {
  readonly kind: string
  readonly schema: TSchema
  readonly says: string
}

/** All messages between actors, in the order of the contracts. Throws where a description does not say who tells whom. */
export function actorMessages(): readonly CatalogueMessage[] {
  return [
    ...MESSAGES.map(({ kind, subsystem, schema }) => entry(kind, subsystem, schema)),
    ...Object.entries(lockstepMessages).map(([kind, schema]) => entry(kind, "lock-step", schema)),
  ]
}

export function entry(kind: string, subsystem: string, schema: TSchema): CatalogueMessage {
  const direction = directionOf(descriptionOf(schema))
  if (direction === null) {
    const kinds = Object.keys(KINDS).join(", ")
    throw new Error(`${kind}: its description is to begin with who tells whom, as "node → scheduler: …"; the kinds are ${kinds}`)
  }
  return { kind, subsystem, schema, ...direction }
}

export const CONTROL: readonly ControlSubject[] = [
  {
    name: "host",
    subject: "bp.ctl.host.{instance}",
    listener: "every",
    speakers: "operators",
    summary: "What one process is to host. The stack's supervisor listens as the instance `stack` (tools/stack, power switch).",
    message: control("HostRequest", HostRequest),
    reply: control("HostReply", HostReply),
  },
  {
    name: "alive",
    subject: "bp.ctl.alive.{service}",
    listener: "hypervisor",
    speakers: "every",
    summary: "Each process says each second that it is there.",
    message: control("AliveNotice", AliveNotice),
    reply: null,
  },
  {
    name: "machines",
    subject: "bp.ctl.machines",
    listener: "hypervisor",
    speakers: "operators",
    summary: "The office where whole machines are made, listed and ended.",
    message: control("OfficeRequest", OfficeRequest),
    reply: control("OfficeReply", OfficeReply),
  },
]

function control(kind: string, schema: TSchema): ControlMessage {
  return { kind, schema, says: descriptionOf(schema) }
}

function descriptionOf(schema: TSchema): string {
  const text: unknown = Reflect.get(schema, "description")
  return typeof text === "string" ? text : ""
}

/** Services that host a kind of actor; a port belongs to every service. */
export function servicesOf(kind: KindName): readonly string[] {
  const inSubjects = KINDS[kind]
  if (inSubjects === KINDS.port) return SERVICE_RULES.map(({ user }) => user).filter((user) => user !== "operator")
  return SERVICE_RULES.filter(({ hosts }) => hosts.includes(inSubjects)).map(({ user }) => user)
}

export const OPERATORS: readonly string[] = SERVICE_RULES.filter(({ role }) => role === "operator").map(({ user }) => user)
export const ALL_SERVICES: readonly string[] = SERVICE_RULES.map(({ user }) => user)
