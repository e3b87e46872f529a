/**
 * Requests about whole machines, as JSON on `bp.ctl.machines`, and their answers. Anything else is refused with the field and the reason.
 */
import { isActorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"

export type OfficeRequest =
  | { readonly op: "create"; readonly spec: MachineSpec }
  | { readonly op: "destroy"; readonly machine: string }
  | { readonly op: "list" }
  | { readonly op: "inspect"; readonly machine: string; readonly actor: ActorId }

export type OfficeReply =
  { readonly ok: false; readonly field: string; readonly reason: string } | { readonly ok: true; readonly [key: string]: Json }

export function refused(field: string, reason: string): OfficeReply {
  return { ok: false, field, reason }
}

/** Reads a request from outside. Throws a `Rejection`. */
export function parseOfficeRequest(text: string): OfficeRequest {
  const value = parseJson(text)
  if (typeof value !== "object" || value === null) throw new Rejection("request", "a request is a JSON object")
  const op = Reflect.get(value, "op") as unknown
  if (op === "list") return { op }
  if (op === "create") return { op, spec: machineSpecOf(Reflect.get(value, "spec")) }
  if (op !== "destroy" && op !== "inspect") throw new Rejection("op", "one of create, destroy, list, inspect")
  const machine = Reflect.get(value, "machine") as unknown
  if (typeof machine !== "string") throw new Rejection("machine", "the name of a machine, as text")
  if (op === "destroy") return { op, machine }
  const actor = Reflect.get(value, "actor") as unknown
  if (typeof actor !== "string" || !isActorId(actor)) throw new Rejection("actor", "an actor's name, as node.0")
  return { op, machine, actor }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Rejection("request", "a request is JSON")
  }
}
