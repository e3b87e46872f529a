/** What the routes of the store share: access while there is a bus, access, traces of requests, how many may be under way. */
import type { HttpBindings } from "@hono/node-server"
import type { Context } from "hono"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import { parseTraceparent } from "@backplane/foundation-runtime/traceparent"
import type { Telemetry } from "@backplane/foundation-telemetry/telemetry"
import type { Access } from "../access.ts"
import { Problem } from "../problem.ts"
import { askFollowed } from "./followed-ask.ts"
import type { StoreAccess, WhenGone } from "./store-access.ts"

/** Requests of callers that may wait for the store at a time; one more is told to come back. */
const UNDER_WAY_MAX = 4096
/** Requests without a traceparent that are followed, at most so many a second. */
const FOLLOWED_PER_SECOND = 20

/** What an answer says besides its body. */
export interface Told {
  readonly attempts: number
  readonly traceparent?: string
}

export class StoreDoor {
  readonly access: Access
  readonly #store: () => StoreAccess | null
  readonly #telemetry: () => Telemetry | null
  readonly #told = new WeakMap<Request, Told>()
  #draining = false
  #second = 0
  #followed = 0

  constructor(options: { readonly access: Access; readonly store: () => StoreAccess | null; readonly telemetry: () => Telemetry | null }) {
    this.access = options.access
    this.#store = options.store
    this.#telemetry = options.telemetry
  }

  /** New requests are refused from now on; those under way are answered. */
  drain(): void {
    this.#draining = true
  }

  /** Settles when nothing is under way, at the latest after `milliseconds`. */
  async drained(milliseconds: number): Promise<void> {
    const deadline = Date.now() + milliseconds
    while ((this.#store()?.outstanding ?? 0) > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10))
  }

  store(): StoreAccess {
    const access = this.#store()
    const remedy = "start the stack with `npm start`, or wait until it is ready"
    if (access === null) throw unavailable("the gateway is not on the bus", remedy)
    if (this.#draining) throw unavailable("the gateway is stopping", "ask another one")
    if (access.outstanding >= UNDER_WAY_MAX) throw unavailable(`${UNDER_WAY_MAX} requests wait for the store`, "come back in a second")
    return access
  }

  /** How often the store was asked for this request, and the trace that it is followed in. */
  toldOf(context: Context): Told | undefined {
    return this.#told.get(context.req.raw)
  }

  async ask(context: Context, operation: Operation, idempotency?: string): Promise<KvAnswer> {
    const store = this.store()
    const given = parseTraceparent(context.req.header("traceparent") ?? "")
    const telemetry = this.#telemetry()
    const whenGone = whenGoneFrom(context)
    const follows = telemetry !== null && (given === null ? this.#mayFollow() : given.sampled)
    if (!follows) {
      const { answer, attempts } = await store.askTold(operation, idempotency === undefined ? { whenGone } : { idempotency, whenGone })
      this.#told.set(context.req.raw, { attempts })
      return answer
    }
    const { answer, attempts, traceId, spanId } = await askFollowed({ store, telemetry, operation, idempotency, whenGone, parent: given })
    this.#told.set(context.req.raw, { attempts, traceparent: `00-${traceId}-${spanId}-01` })
    return answer
  }

  #mayFollow(): boolean {
    const second = Math.floor(Date.now() / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#followed = 0
    }
    return this.#followed++ < FOLLOWED_PER_SECOND
  }
}

/** Nobody is to work for a caller that has hung up, and repeated it elsewhere, perhaps. */
function whenGoneFrom(context: Context): WhenGone {
  // Asked of a route without a server, as tests do, there is nobody to hang up.
  const { outgoing } = (context.env ?? {}) as Partial<HttpBindings>
  return (then) => void outgoing?.once("close", () => outgoing.writableFinished || then())
}

function unavailable(detail: string, remedy: string): Problem {
  return new Problem({ status: 503, title: "Not ready", detail, remedy }, { "retry-after": "1" })
}
