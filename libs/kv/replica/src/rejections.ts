/** What is wrong with a request, said so that the asker can mend it: the field and the remedy. */
import { BUCKET_NAME_LENGTH_MAX, KEY_LENGTH_MAX, SIBLINGS_MAX, VALUE_LENGTH_MAX, VECTOR_ENTRIES_MAX } from "@backplane/kv-contract/limits"
import type { KeyOperation, KvRejection, RejectionReason } from "@backplane/kv-contract/client-messages"
import type { KeyState, Vector } from "@backplane/kv-contract/versions"
import { quorumOf } from "@backplane/kv-replication/quorum"
import { isTooFarAhead } from "@backplane/kv-versioning/hybrid-clock"
import { highestCount } from "@backplane/kv-versioning/vector"
import type { ReplicaCore } from "./core.ts"

export interface Rejection {
  readonly reason: RejectionReason
  readonly field?: string
  readonly remedy: string
  readonly unknown?: boolean
}

/** See lone-versions.ts. Nothing was done here: whoever still waits asks again. */
export const LONE: Rejection = { reason: "busy", remedy: "ask again: this replica has just begun and asks the others about the key" }
/** Nothing was done here either. */
export const LATE: Rejection = { reason: "busy", remedy: "ask again: this request came so late that it may have been done elsewhere since" }

/** So many requests of the key were done since it was sent first that it would not be remembered (kv/versioning, done.ts). */
export const FORGOTTEN: Rejection = {
  reason: "forgotten",
  remedy: "read the key and write again where it is needed: this write was repeated for so long that nobody remembers whether it was done",
  unknown: true,
}

/** Another write was done under the name that the caller gave this one; nothing was done for this one. */
export const REUSED: Rejection = {
  reason: "key-reused",
  field: "Idempotency-Key",
  remedy: "send another key with another request; under this one, only what was sent with it the first time",
}

export function rejection(sequence: number, { reason, field, remedy, unknown = false }: Rejection): KvRejection {
  const answer = { sequence, ok: false as const, reason, remedy, unknown }
  return field === undefined ? answer : { ...answer, field }
}

/** Null where the request can be worked on. */
export function whatIsWrong(core: ReplicaCore, operation: KeyOperation): Rejection | null {
  const known = core.bucket(operation.bucket)
  if (known === undefined)
    return {
      reason: "unknown-bucket",
      field: "bucket",
      remedy: `make the bucket first; a name has at most ${BUCKET_NAME_LENGTH_MAX} letters, digits and dashes`,
    }
  if (operation.key.length === 0 || operation.key.length > KEY_LENGTH_MAX)
    return { reason: "key-too-long", field: "key", remedy: `send a key of 1 to ${KEY_LENGTH_MAX} characters` }
  if ("value" in operation && operation.value !== null && operation.value.length > VALUE_LENGTH_MAX)
    return { reason: "value-too-large", field: "value", remedy: `send at most ${VALUE_LENGTH_MAX} characters` }
  return wrongOperation(known.bucket.policy, operation) ?? wrongContext(core, operation) ?? wrongQuorum(core, operation)
}

const ALLOWED_LINEAR: readonly KeyOperation["type"][] = ["get", "cas"]
const ALLOWED_CRDT: readonly KeyOperation["type"][] = ["get", "update"]
const ALLOWED: readonly KeyOperation["type"][] = ["get", "put", "delete"]

function wrongOperation(policy: string, { type }: KeyOperation): Rejection | null {
  const allowed = policy === "linear" ? ALLOWED_LINEAR : policy === "crdt" ? ALLOWED_CRDT : ALLOWED
  if (allowed.includes(type)) return null
  return { reason: "wrong-operation", field: "type", remedy: `a ${policy} bucket takes ${allowed.join(", ")}` }
}

function wrongContext(core: ReplicaCore, operation: KeyOperation): Rejection | null {
  const hasVectors =
    ("context" in operation && operation.context !== undefined) || ("session" in operation && operation.session !== undefined)
  if (!hasVectors) return null
  const vectors: readonly Vector[] = [
    ...("context" in operation && operation.context !== undefined ? [operation.context] : []),
    ...("session" in operation ? (operation.session ?? []).map(([, , vector]) => vector) : []),
  ]
  const remedy = "send the context or token as the last answer gave it"
  for (const vector of vectors) {
    const counts = Object.values(vector)
    if (counts.length > VECTOR_ENTRIES_MAX || counts.some((count) => !Number.isSafeInteger(count) || count < 1))
      return { reason: "bad-context", field: "context", remedy }
    if (isTooFarAhead(highestCount(vector), core.wall())) return { reason: "bad-context", field: "context", remedy }
  }
  return null
}

function wrongQuorum(core: ReplicaCore, operation: KeyOperation): Rejection | null {
  const bucket = core.bucket(operation.bucket)?.bucket ?? {}
  const r = "r" in operation ? operation.r : undefined
  const w = "w" in operation ? operation.w : undefined
  const quorum = quorumOf(core.holders(operation).length, bucket, { r, w })
  return "field" in quorum ? { reason: "bad-quorum", ...quorum } : null
}

/** Whether a state grew past what may be kept of one key. */
export function tooBig(state: KeyState): Rejection | null {
  if (state.versions.length > SIBLINGS_MAX)
    return {
      reason: "too-many-siblings",
      field: "context",
      remedy: `read the key, merge its ${SIBLINGS_MAX} values and write with the context of the read`,
    }
  if (Object.keys(state.context).length > VECTOR_ENTRIES_MAX)
    return { reason: "too-many-writers", remedy: `more than ${VECTOR_ENTRIES_MAX} replica lives wrote this key: write under another key` }
  return null
}
