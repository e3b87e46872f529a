/** A causal context as an ETag and back: `"<base64url of its JSON>"`. What came with a read goes back with `If-Match`. */
import { compareText } from "@backplane/foundation-base/json"
import { VECTOR_ENTRIES_MAX } from "@backplane/kv-contract/limits"
import type { Vector } from "@backplane/kv-contract/versions"
import { Problem } from "../problem.ts"

const BYTES_MAX = 16_384

/** Of equal contexts the same, whichever replica answers: each has the writers in the order in which it heard of them. */
export function etagOf(context: Vector): string {
  const ordered = Object.entries(context).sort(([a], [b]) => compareText(a, b))
  return `"${Buffer.from(JSON.stringify(Object.fromEntries(ordered))).toString("base64url")}"`
}

/** Whether `If-None-Match` names what there is: compared as it stands, weak or not (RFC 9110, 13.1.2). `etag`: null where it has none. */
export function isNamed(header: string | undefined, etag: string | null): boolean {
  return (header ?? "").split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag)
}

/**
 * Null where the header is missing: the write then replaces nothing that it has not seen. `*` (RFC 9110, 13.1.1: only where there is
 * something) is refused like all that is no context: no replica can promise that alone, and to write all the same would be a lie.
 */
export function contextOf(header: string | undefined): Vector | null {
  if (header === undefined) return null
  const text = /^(?:W\/)?"([A-Za-z0-9_-]*)"$/.exec(header.trim())?.[1]
  if (text === undefined || text.length > BYTES_MAX) throw malformed()
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"))
    if (isVector(value)) return value
  } catch {
    // Told below, as all that is none of ours.
  }
  throw malformed()
}

function isVector(value: unknown): value is Vector {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false
  const events = Object.entries(value)
  // One more and the replica's edge drops the whole message, with what others asked for.
  if (events.length > VECTOR_ENTRIES_MAX) return false
  return events.every(([writer, count]) => isName(writer) && Number.isSafeInteger(count) && Number(count) >= 1)
}

function isName(writer: string): boolean {
  return writer.length >= 1 && writer.length <= 96
}

function malformed(): Problem {
  return new Problem({
    status: 400,
    title: "Bad request",
    detail: "If-Match is no context of this store",
    field: "If-Match",
    remedy: "send the ETag of the last answer for this key as it came",
  })
}
