/**
 * `/v1/kv/{bucket}/{key}`: read, write, delete, update, compare and set.
 *
 * Values are the body as it is (UTF-8 text). The ETag is the causal context: sent back with If-Match, a write replaces exactly what its reader
 * saw; without it, it stays beside what it did not see, as the bucket's policy says. A DELETE without it means what is there now: that is read
 * first. What was written meanwhile, or what a given context does not cover, stays, and the answer has it. `Idempotency-Key` makes a repeat, at any
 * gateway, one write; with another method, place or body under it, it is no repeat and refused (422).
 */
import { createHash } from "node:crypto"
import { Hono, type Context } from "hono"
import { Compile } from "typebox/compile"
import type { Operation } from "@backplane/kv-contract/client-messages"
import { IDEMPOTENCY_KEY_LENGTH_MAX, idempotencyName } from "@backplane/kv-contract/idempotency"
import { KEY_LENGTH_MAX, VALUE_LENGTH_MAX } from "@backplane/kv-contract/limits"
import { SYSTEM_BUCKET } from "@backplane/kv-contract/store-config"
import { SessionToken } from "@backplane/kv-contract/versions"
import type { Json } from "@backplane/foundation-base/json"
import { needs } from "../access.ts"
import { Problem } from "../problem.ts"
import { readResponse, succeeded, tagOf, unchangedResponse, writtenResponse } from "./answers.ts"
import { contextOf, isNamed } from "./etag.ts"
import { bucketParameter, mustKnowAll } from "./parameters.ts"
import { readText, readValue } from "./text-body.ts"
import type { StoreDoor } from "./store-door.ts"

/** A character has at most four bytes of UTF-8; the store counts characters. */
const BODY_BYTES_MAX = 4 * VALUE_LENGTH_MAX
const SESSION = Compile(SessionToken)
const IDEMPOTENCY = new RegExp(`^[A-Za-z0-9._:-]{1,${IDEMPOTENCY_KEY_LENGTH_MAX}}$`)

export function keyRoutes(door: StoreDoor): Hono {
  const routes = new Hono()
  const path = "/v1/kv/:bucket/:key{.+}"
  routes.get(path, needs(door.access, "read"), async (context) => {
    const place = placeOf(context)
    const operation: Operation = { type: "get", ...place, ...number(context, "r"), ...session(context) }
    const answer = succeeded(await door.ask(context, operation))
    if (answer.values.length > 0 && isNamed(context.req.header("if-none-match"), tagOf(answer))) return unchangedResponse(answer)
    return readResponse(answer, context.req.header("accept")?.includes("application/json") === true)
  })
  routes.put(path, needs(door.access, "write"), async (context) => {
    const place = writablePlaceOf(context)
    const value = await readValue(context, BODY_BYTES_MAX)
    if (value.length > VALUE_LENGTH_MAX) throw tooLong(value.length)
    const operation: Operation = { type: "put", ...place, value, ...seen(context), ...wishes(context) }
    return writtenResponse(succeeded(await door.ask(context, operation, idempotency(context, place, value))))
  })
  routes.delete(path, needs(door.access, "write"), async (context) => {
    const place = writablePlaceOf(context)
    const given = seen(context)
    const covered = given.context ?? succeeded(await door.ask(context, { type: "get", ...place, ...session(context) })).context
    const operation: Operation = { type: "delete", ...place, context: { ...covered }, ...wishes(context) }
    return writtenResponse(succeeded(await door.ask(context, operation, idempotency(context, place, ""))))
  })
  routes.post(path, needs(door.access, "write"), async (context) => {
    const place = writablePlaceOf(context)
    const text = await readText(context, BODY_BYTES_MAX)
    const body = jsonOf(text)
    // What has a value and names no operation is meant for a register, though it says not what is expected.
    const isForRegister = "expect" in body || ("value" in body && !("op" in body))
    const operation = isForRegister
      ? compareAndSet(place, body)
      : ({ type: "update", ...place, operation: body as Json, ...wishes(context) } as const)
    return writtenResponse(succeeded(await door.ask(context, operation, idempotency(context, place, text))))
  })
  return routes
}

type Place = { readonly bucket: string; readonly key: string }

function placeOf(context: Context): Place {
  const bucket = bucketParameter(context)
  mustBeEncoded(context.req.url)
  // Decoded by the router, once: a second time, and x%2541 would be xA.
  const key = context.req.param("key") ?? ""
  if (key.length > KEY_LENGTH_MAX)
    throw new Problem({
      status: 414,
      title: "URI too long",
      detail: `the key has ${key.length} characters`,
      field: "key",
      remedy: `send a key of at most ${KEY_LENGTH_MAX}`,
    })
  return { bucket, key }
}

/** In the store's own bucket lies who its members are: it is written by what checks that, for those who may operate the store. */
function writablePlaceOf(context: Context): Place {
  const place = placeOf(context)
  // What nobody can promise is not passed over: a caller that sent it relies on it.
  if (context.req.header("if-none-match") !== undefined)
    throw new Problem({
      status: 400,
      title: "Bad request",
      detail: "a write on condition that the key is not there cannot be promised by replicas that agree later",
      field: "If-None-Match",
      remedy: 'leave it out, or POST {"expect": null, "value": …} to a register of a linear bucket',
    })
  if (place.bucket !== SYSTEM_BUCKET) return place
  throw new Problem({
    status: 403,
    title: "Forbidden",
    detail: `the bucket ${SYSTEM_BUCKET} is the store's own`,
    field: "bucket",
    remedy: "change members with PUT /v1/store/members, a bucket with PUT /v1/kv/<bucket>",
  })
}

/** The router takes what it cannot decode as it is, and so for what another, well encoded, means. */
function mustBeEncoded(url: string): void {
  try {
    decodeURIComponent(new URL(url).pathname)
  } catch {
    throw new Problem({
      status: 400,
      title: "Bad request",
      detail: "the key is no percent-encoded UTF-8",
      field: "key",
      remedy: "encode the key, % itself as %25",
    })
  }
}

function compareAndSet(place: Place, body: Readonly<Record<string, unknown>>): Operation {
  const { expect, value } = body
  const isText = (given: unknown): given is string | null => given === null || typeof given === "string"
  if (typeof value === "string" && value.length > VALUE_LENGTH_MAX) throw tooLong(value.length)
  if (!isText(expect)) throw badBody("expect", "the text that the register must hold, or null where it must not be there")
  if (value === undefined || !isText(value)) throw badBody("value", "the text to set, or null to delete")
  mustKnowAll(body, ["expect", "value"])
  return { type: "cas", ...place, expect, value }
}

function jsonOf(text: string): Readonly<Record<string, unknown>> {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw badBody("body", 'a JSON object, such as {"op": "increment"} or {"expect": null, "value": "a"}')
  }
  if (body === null || typeof body !== "object" || Array.isArray(body)) throw badBody("body", "a JSON object")
  return body as Readonly<Record<string, unknown>>
}

function tooLong(length: number): Problem {
  const remedy = `send at most ${VALUE_LENGTH_MAX}; cut the value into several keys`
  return new Problem({ status: 413, title: "Content too large", detail: `the value has ${length} characters`, field: "value", remedy })
}

function badBody(field: string, remedy: string): Problem {
  return new Problem({ status: 400, title: "Bad request", detail: `${field} is missing or of the wrong form`, field, remedy })
}

function seen(context: Context): { context?: Record<string, number> } {
  const vector = contextOf(context.req.header("if-match"))
  return vector === null ? {} : { context: { ...vector } }
}

function wishes(context: Context): { w?: number; sloppy?: boolean; session?: SessionToken } {
  const sloppy = context.req.query("sloppy")
  return { ...number(context, "w"), ...(sloppy === undefined ? {} : { sloppy: sloppy !== "false" }), ...session(context) }
}

function number(context: Context, name: "r" | "w"): { r?: number; w?: number } {
  const text = context.req.query(name)
  if (text === undefined) return {}
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 7)
    throw new Problem({
      status: 400,
      title: "Bad request",
      detail: `${name} is ${text}`,
      field: name,
      remedy: "a whole number from 1 to 7",
    })
  return { [name]: value }
}

function session(context: Context): { session?: SessionToken } {
  const header = context.req.header("kv-session")
  if (header === undefined) return {}
  if (header === "new") return { session: [] }
  try {
    const token: unknown = JSON.parse(Buffer.from(header, "base64url").toString("utf8"))
    if (SESSION.Check(token)) return { session: token as SessionToken }
  } catch {
    // Told below.
  }
  throw new Problem({
    status: 400,
    title: "Bad request",
    detail: "Kv-Session is no session token",
    field: "Kv-Session",
    remedy: 'send the token of the last answer, or "new"',
  })
}

/**
 * The caller's name of the write, with a fingerprint of what it sent: method, place and body. Not of If-Match: who has read again since
 * repeats the same write.
 */
function idempotency(context: Context, { bucket, key: place }: Place, body: string): string | undefined {
  const key = context.req.header("idempotency-key")
  if (key === undefined) return undefined
  const sent = JSON.stringify([context.req.method, bucket, place, body])
  if (IDEMPOTENCY.test(key)) return idempotencyName(key, createHash("sha256").update(sent).digest("base64url"))
  throw new Problem({
    status: 400,
    title: "Bad request",
    detail: "the idempotency key is not of the right form",
    field: "Idempotency-Key",
    remedy: `1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} letters, digits, dots, colons, dashes`,
  })
}
