/** What the store answered, as HTTP: values, siblings, and a problem document for each way of saying no. */
import type { KvAnswer, KvRejection, KvSuccess, RejectionReason } from "@backplane/kv-contract/client-messages"
import { Problem } from "../problem.ts"
import { etagOf } from "./etag.ts"

const STATUS: Readonly<Record<RejectionReason, number>> = {
  "unknown-bucket": 404,
  "key-too-long": 414,
  "value-too-large": 413,
  "wrong-operation": 409,
  "bad-operation": 400,
  "bad-context": 400,
  "bad-quorum": 400,
  "too-many-siblings": 409,
  "too-many-writers": 409,
  "quorum-not-met": 503,
  forgotten: 503,
  "session-not-met": 503,
  busy: 503,
  "no-leader": 503,
  "compute-failed": 422,
  "key-reused": 422,
}

/** The success, or the problem as an exception. */
export function succeeded(answer: KvAnswer): KvSuccess {
  if (answer.ok) return answer
  throw problemOf(answer)
}

export function problemOf({ reason, field, remedy, unknown }: KvRejection): Problem {
  const status = STATUS[reason]
  if (reason === "compute-failed") return computeProblem(status, { detail: `${reason}: ${remedy}`, field: field ?? "map" })
  const detail = unknown ? `${reason}: the write may still take effect` : reason
  const document = { status, title: "Refused by the store", detail, remedy, ...(field === undefined ? {} : { field }) }
  return new Problem(document, status === 503 ? { "retry-after": "1" } : {})
}

/** What a replica says of a function that fails is what is wrong with it. */
function computeProblem(status: number, what: { readonly detail: string; readonly field: string }): Problem {
  const remedy = "give functions that run and end: (key, values) => … and (a, b) => …, or count, bytes, number and sum, max, min"
  return new Problem({ status, title: "Refused by the store", ...what, remedy })
}

/** Null of a register: it has no context, so one tag would stand for all that it ever held. It is replaced by what it is expected to hold. */
export function tagOf({ context, values }: KvSuccess): string | null {
  return values.length > 0 && Object.keys(context).length === 0 ? null : etagOf(context)
}

export function headersOf(answer: KvSuccess): Record<string, string> {
  const { session, staleness, values } = answer
  const etag = tagOf(answer)
  return {
    ...(etag === null ? {} : { etag }),
    "kv-values": String(values.length),
    "cache-control": "no-store",
    ...(session === undefined ? {} : { "kv-session": Buffer.from(JSON.stringify(session)).toString("base64url") }),
    ...(staleness === undefined
      ? {}
      : {
          "kv-replicas": String(staleness.answered),
          "kv-apart": String(staleness.apart),
          "kv-certified-at": staleness.certifiedAt === null ? "never" : new Date(staleness.certifiedAt / 1000).toISOString(),
        }),
  }
}

/** A read: the value as it is; concurrent values, and what a CRDT shows, as JSON. */
export function readResponse(answer: KvSuccess, wantsJson: boolean): Response {
  const { values, result, context, staleness } = answer
  const headers = headersOf(answer)
  const isCrdt = result !== undefined
  if (wantsJson || isCrdt || values.length > 1) {
    const body = { values, ...(isCrdt ? { result } : {}), context, ...(staleness === undefined ? {} : { staleness }) }
    const status = values.length > 1 ? 300 : values.length === 0 && !isCrdt ? 404 : 200
    return Response.json(body, { status, headers })
  }
  const [value] = values
  if (value === undefined)
    throw new Problem({ status: 404, title: "Not found", detail: "the key is not there", field: "key" }, { etag: headers["etag"] ?? "" })
  return new Response(value, { status: 200, headers: { ...headers, "content-type": "text/plain; charset=utf-8" } })
}

/** A read whose caller has what there is. */
export function unchangedResponse(answer: KvSuccess): Response {
  return new Response(null, { status: 304, headers: headersOf(answer) })
}

export function writtenResponse(answer: KvSuccess): Response {
  const { values, result, swapped, context } = answer
  const body = { values, context, ...(result === undefined ? {} : { result }), ...(swapped === undefined ? {} : { swapped }) }
  const status = swapped === false ? 412 : 200
  return Response.json(body, { status, headers: headersOf(answer) })
}
