/**
 * Who answers on the bus: `$SRV.PING` is asked again and again and each answer is matched with a process of the plan.
 *
 * The NATS services protocol is all that a service must speak to be part of the stack, in whatever language it is written.
 */
import type { NatsConnection, Subscription } from "@nats-io/nats-core"
import { connect } from "@nats-io/transport-node"
import { performance } from "node:perf_hooks"
import type { HostedService } from "./process-plan.ts"

/** Asked often while somebody is awaited, seldom otherwise. */
const EAGER_MS = 50
const CALM_MS = 2_000
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

export class Presence {
  readonly #connection: NatsConnection
  readonly #subscription: Subscription
  readonly #inbox: string
  readonly #eager: () => boolean
  #timer: NodeJS.Timeout | null = null
  #closed = false

  /** `eager` tells whether somebody is awaited; `onPing` is called for each answer. */
  constructor(connection: NatsConnection, prefix: string, options: { eager: () => boolean; onPing: (ping: Ping) => void }) {
    this.#connection = connection
    this.#eager = options.eager
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
    this.#timer = setTimeout(() => this.#ask(), this.#eager() ? EAGER_MS : CALM_MS)
  }
}
