/** A request to the store with a span of its own: what comes of it in the replicas is below it. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { wallMilliseconds } from "@backplane/foundation-runtime/paced-clock"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import type { Telemetry } from "@backplane/foundation-telemetry/telemetry"
import type { StoreAccess, WhenGone } from "./store-access.ts"

const GATEWAY = actorId("gateway.http")

export interface FollowedAsk {
  readonly store: StoreAccess
  readonly telemetry: Telemetry
  readonly operation: Operation
  readonly idempotency?: string | undefined
  readonly whenGone?: WhenGone
  /** By a visitor whom the gateway plays, and no user. */
  readonly isPlayed?: boolean
  /** The span of the caller; null: this one is the first of its trace. */
  readonly parent?: { readonly traceId: string; readonly spanId: string } | null
}

export interface FollowedAnswer {
  readonly answer: KvAnswer
  readonly attempts: number
  readonly traceId: string
  readonly spanId: string
}

export async function askFollowed({
  store,
  telemetry,
  operation,
  idempotency,
  whenGone,
  isPlayed = false,
  parent = null,
}: FollowedAsk): Promise<FollowedAnswer> {
  const began = wallMilliseconds()
  const traceId = parent?.traceId ?? telemetry.ids.traceId()
  const spanId = telemetry.ids.spanId()
  const more = { ...(idempotency === undefined ? {} : { idempotency }), ...(whenGone === undefined ? {} : { whenGone }) }
  const { answer, attempts } = await store.askTold(operation, { ...more, trace: `${traceId}-${spanId}` })
  telemetry.span("store", {
    traceId,
    spanId,
    parentSpanId: parent?.spanId ?? null,
    origin: "open",
    name: "kv.request",
    actor: GATEWAY,
    start: moment(began),
    end: moment(wallMilliseconds()),
    attributes: {
      ...{ "backplane.kind": operation.type, "backplane.key": `${operation.bucket}/${"key" in operation ? operation.key : ""}` },
      ...(isPlayed && { "backplane.played": true }),
    },
    error: answer.ok ? null : answer.reason,
    links: [],
  })
  return { answer, attempts, traceId, spanId }
}

/** The store's virtual clock is the wall's microseconds. */
function moment(wall: number): { readonly virtual: VirtualTime; readonly wallMilliseconds: number } {
  return { virtual: virtualTime(Math.floor(wall * 1000)), wallMilliseconds: wall }
}
