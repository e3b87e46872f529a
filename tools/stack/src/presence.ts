/**
 * Who answers on the bus: `$SRV.PING` is asked again and again and each answer is matched with a process of the plan.
 *
 * The NATS services protocol is all that a service must speak to be part of the stack, in whatever language it is written.
 */
import type { NatsConnection, Subscription } from "@nats-io/nats-core"
import { connect } from "@nats-io/transport-node"
import type { HostedService } from "./process-plan.ts"

/** Asked often when somebody begins to be awaited, ever more seldom the longer that takes, and seldom when nobody is. */
const EAGER_MS = 50
const CALM_MS = 2_000
/** A wait is asked about so often that it is told of at most this part of it too late. */
const WAITED_SHARE = 12
const CONNECT_RETRY_MS = 25
const CLOSE_DEADLINE_MS = 200

export interface Ping {
  readonly name: string
  readonly id: string
  /** From the answer's metadata; null where the service does not tell. */
  readonly instance: string | null
}

export interface BusAccess {
  readonly url: string
  readonly user: string | null
  readonly password: string | null
  readonly inboxPrefix: string
}

/** Connects as soon as the server listens; gives the reason when the deadline passes or `wanted` says no. */
export async function connectToBus(access: BusAccess, deadlineMs: number, wanted: () => boolean): Promise<NatsConnection | string> {
  const until = performance.now() + deadlineMs
  const credentials = access.user === null ? {} : { user: access.user, pass: access.password ?? "" }
  let problem = "stopped"
  while (wanted()) {
    try {
      return await connect({
        servers: access.url,
        ...credentials,
        inboxPrefix: access.inboxPrefix,
        name: "stack",
        timeout: 1_000,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        reconnectJitter: 0,
      })
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
      // A wrong password does not get better by trying again.
      if (performance.now() > until || /authori[sz]ation|authentication/i.test(problem)) break
      await new Promise((done) => setTimeout(done, CONNECT_RETRY_MS))
    }
  }
  return problem
}

export function parsePing(text: string): Ping | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== "object" || value === null) return null
  const { name, id, metadata } = value as Record<string, unknown>
  if (typeof name !== "string" || typeof id !== "string") return null
  const instance = typeof metadata === "object" && metadata !== null ? (metadata as Record<string, unknown>)["instance"] : undefined
  return { name, id, instance: typeof instance === "string" ? instance : null }
}

/**
 * The hosted service that an answer comes from. An answer without an instance (a service in another language may not tell) is
 * taken for the first instance of that name that has not answered yet.
 */
export function matchPing(ping: Ping, awaited: readonly HostedService[]): HostedService | null {
  const named = awaited.filter((each) => each.service === ping.name)
  if (ping.instance !== null) return named.find((each) => each.instance === ping.instance) ?? null
  return named[0] ?? null
}

/**
 * How long until the next question, when somebody has been awaited for so long.
 *
 * A process that listens and is still busy with its start answers all of them at once, when it has time. The server lets it answer as often as
 * `allow_responses` says (infra/nats, 64) and refuses the rest, with an error in the log for each: asked evenly, a start of four seconds had too many.
 */
export function pauseMs(awaitedMs: number): number {
  return Math.min(CALM_MS, Math.max(EAGER_MS, awaitedMs / WAITED_SHARE))
}

export class Presence {
  readonly #connection: Pick<NatsConnection, "subscribe" | "publish" | "close" | "isClosed">
  readonly #subscription: Subscription
  readonly #inbox: string
  readonly #awaited: () => number
  #awaitedBefore = 0
  /** Since when those are awaited that are now. */
  #since = 0
  #timer: NodeJS.Timeout | null = null
  #closed = false

  /** `awaited` tells how many are; `onPing` is called for each answer. */
  constructor(
    connection: Pick<NatsConnection, "subscribe" | "publish" | "close" | "isClosed">,
    prefix: string,
    options: { awaited: () => number; onPing: (ping: Ping) => void },
  ) {
    this.#connection = connection
    this.#awaited = options.awaited
    this.#inbox = `${prefix}.presence`
    this.#subscription = connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        const ping = error === null ? parsePing(message.string()) : null
        if (ping !== null) options.onPing(ping)
      },
    })
    this.#ask()
  }

  /** Asks now: somebody has just been started. */
  hurry(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#ask()
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#subscription.unsubscribe()
    // close() waits for a server that may be gone.
    await Promise.race([this.#connection.close().catch(() => {}), new Promise((done) => setTimeout(done, CLOSE_DEADLINE_MS).unref())])
  }

  #ask(): void {
    if (this.#closed || this.#connection.isClosed()) return
    this.#connection.publish("$SRV.PING", undefined, { reply: this.#inbox })
    const awaited = this.#awaited()
    if (awaited > this.#awaitedBefore) this.#since = performance.now()
    this.#awaitedBefore = awaited
    this.#timer = setTimeout(() => this.#ask(), awaited > 0 ? pauseMs(performance.now() - this.#since) : CALM_MS)
  }
}
