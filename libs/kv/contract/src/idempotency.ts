/**
 * The caller's own name of a write as requests carry it: `key`, or `key#fingerprint`, where the fingerprint is of what the caller sent.
 *
 * Goal: a key that is used again for another request is told from a repeat. Limits: a name without a fingerprint (of a gateway of before) is that of any
 * request under its key, so a repeat at another gateway is one write while gateways are upgraded. A name is no longer than keys were before there were
 * fingerprints, for a replica of before refuses longer ones: long keys have a shorter fingerprint, the longest none. Source: draft-ietf-httpapi-idempotency-key-header, 2.4.
 */

/** Of the key, as callers give it. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 60
/** Characters of base64url: 72 bits; fewer than four tell too little. */
export const FINGERPRINT_LENGTH = 12
const FINGERPRINT_LENGTH_MIN = 4
export const IDEMPOTENCY_LENGTH_MAX = IDEMPOTENCY_KEY_LENGTH_MAX

const MARK = "#"

/** `key`: without a `#`. */
export function idempotencyName(key: string, fingerprint: string): string {
  const room = Math.min(FINGERPRINT_LENGTH, IDEMPOTENCY_LENGTH_MAX - key.length - MARK.length)
  return room < FINGERPRINT_LENGTH_MIN ? key : `${key}${MARK}${fingerprint.slice(0, room)}`
}

/** What two such names say of their requests: "reused" is one key for two. */
export function sameRequest(a: string, b: string): "same" | "reused" | "other" {
  if (a === b) return "same"
  const [keyA, printA] = parts(a)
  const [keyB, printB] = parts(b)
  if (keyA !== keyB) return "other"
  return printA === null || printB === null ? "same" : "reused"
}

function parts(name: string): readonly [key: string, fingerprint: string | null] {
  const at = name.lastIndexOf(MARK)
  return at < 0 ? [name, null] : [name.slice(0, at), name.slice(at + 1)]
}
