/**
 * Session tokens: what a session has seen and written, carried by the client, so that any replica behind any gateway can keep its promises.
 *
 * Per key the token holds a causal context. A read is answered only from a state whose context covers it (read your writes, monotonic
 * reads); a write takes it as its context's floor (monotonic writes, writes follow reads): the new version's time lies past all that the
 * session saw. The promises are per key, for the last SESSION_KEYS_MAX keys that the session used.
 * Source: Terry and others, "Session guarantees for weakly consistent replicated data" (1994).
 */
import { SESSION_KEYS_MAX } from "@backplane/kv-contract/limits"
import type { SessionToken, Vector } from "@backplane/kv-contract/versions"
import { joinVectors, NO_EVENTS } from "@backplane/kv-versioning/vector"

/** What the session knows of the key. */
export function sessionFloor(token: SessionToken | undefined, bucket: string, key: string): Vector {
  return token?.find(([b, k]) => b === bucket && k === key)?.[2] ?? NO_EVENTS
}

/** The token after the session saw `context` of the key: now its newest entry. */
export function sessionAfter(
  token: SessionToken,
  seen: { readonly bucket: string; readonly key: string; readonly context: Vector },
): SessionToken {
  const { bucket, key, context } = seen
  const others = token.filter(([b, k]) => b !== bucket || k !== key)
  const known = joinVectors(sessionFloor(token, bucket, key), context)
  return [...others.slice(Math.max(0, others.length + 1 - SESSION_KEYS_MAX)), [bucket, key, known]]
}
