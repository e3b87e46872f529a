/**
 * Requests about whole machines, as JSON on `bp.ctl.machines`, and their answers. Anything else is refused with the field and the reason.
 */
import { isActorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { decodeBase64, isBase64 } from "@backplane/foundation-base/base64"
import type { Json } from "@backplane/foundation-base/json"
import { parseManifest, type SchedulerManifest } from "@backplane/cluster-hosting/scheduler-services"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { FALLBACK, POLICY_NAMES, type MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { IMAGE_BYTES_MAX } from "@backplane/scenario-machine/vm-spec"
import type { ImagePiece } from "./image-files.ts"

export type OfficeRequest =
  | { readonly op: "create"; readonly spec: MachineSpec }
  | { readonly op: "destroy"; readonly machine: string }
  | { readonly op: "list" }
  | { readonly op: "inspect"; readonly machine: string; readonly actor: ActorId }
  | { readonly op: "image"; readonly piece: ImagePiece }
  | { readonly op: "attach"; readonly instance: string; readonly manifest: SchedulerManifest }
  | { readonly op: "leave" | "detach"; readonly service: string }
  | { readonly op: "services" }
  | { readonly op: "seat"; readonly machine: string; readonly service: string }

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
  if (op === "list" || op === "services") return { op }
  if (op === "attach") return parseAttach(value)
  if (op === "leave" || op === "detach") return { op, service: textOf(value, "service") }
  if (op === "create") return { op, spec: machineSpecOf(Reflect.get(value, "spec")) }
  if (op === "image") return { op, piece: parsePiece(value) }
  if (op === "seat") return { op, machine: textOf(value, "machine"), service: textOf(value, "service") }
  if (op !== "destroy" && op !== "inspect")
    throw new Rejection("op", "one of create, destroy, list, inspect, image, attach, leave, detach, services, seat")
  const machine = Reflect.get(value, "machine") as unknown
  if (typeof machine !== "string") throw new Rejection("machine", "the name of a machine, as text")
  if (op === "destroy") return { op, machine }
  const actor = Reflect.get(value, "actor") as unknown
  if (typeof actor !== "string" || !isActorId(actor)) throw new Rejection("actor", "an actor's name, as node.0")
  return { op, machine, actor }
}

function textOf(value: object, name: string): string {
  const text = Reflect.get(value, name) as unknown
  if (typeof text !== "string" || text.length > 64) throw new Rejection(name, "a text of at most 64 characters")
  return text
}

function parseAttach(value: object): Extract<OfficeRequest, { op: "attach" }> {
  const manifest = parseManifest(Reflect.get(value, "manifest"))
  if ("reason" in manifest) throw new Rejection(manifest.field, manifest.reason)
  if (POLICY_NAMES.some((name) => name === manifest.name) || manifest.name === FALLBACK)
    throw new Rejection("manifest.name", `${manifest.name} is a policy of ours; take another name`)
  const instance = textOf(value, "instance")
  if (!/^[a-z0-9][a-z0-9-]*$/i.test(instance))
    throw new Rejection("instance", "the name of the process on the bus: letters, digits, dashes")
  return { op: "attach", instance, manifest }
}

/** A piece of an image; without data it only asks how much is here. */
function parsePiece(value: object): ImagePiece {
  const field = (name: string): unknown => Reflect.get(value, name) as unknown
  const [hash, total, offset, data] = [field("hash"), field("total"), field("offset"), field("data")]
  if (typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash))
    throw new Rejection("hash", "64 hexadecimal digits, the SHA-256 of the file")
  if (!isCount(total) || total < 1 || total > IMAGE_BYTES_MAX) throw new Rejection("total", `an image has 1 to ${IMAGE_BYTES_MAX} bytes`)
  if (!isCount(offset)) throw new Rejection("offset", "the number of the first byte of the piece")
  if (typeof data !== "string" || !isBase64(data)) throw new Rejection("data", "the bytes as base64")
  return { hash, total, offset, data: decodeBase64(data) }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Rejection("request", "a request is JSON")
  }
}
