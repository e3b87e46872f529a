/** The NATS connection of a service: first connect with patience, then reconnect for ever; says what happens to it. */
import { AuthorizationError, PermissionViolationError, type NatsConnection } from "@nats-io/nats-core"
import { connect } from "@nats-io/transport-node"
import type { ServiceEnvironment } from "./service-environment.ts"
import type { EventSink } from "./sinks.ts"
import { inboxPrefix } from "./subjects.ts"

const FIRST_CONNECT_DEADLINE_MILLISECONDS = 10_000
const RETRY_MILLISECONDS = 200

/** The bus cannot be reached or will not have us: `message` says which and what to do. */
export class BusUnreachableError extends Error {
  override readonly name = "BusUnreachableError"
}

export async function connectToBus(service: string, environment: ServiceEnvironment): Promise<NatsConnection> {
  const { natsUrl, natsUser, natsPassword, instance } = environment
  const options = {
    servers: natsUrl,
    name: `${service}/${instance}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MILLISECONDS,
    reconnectJitter: 100,
    pingInterval: 10_000,
    maxPingOut: 3,
    timeout: 3_000,
    ...(natsUser === null ? {} : { user: natsUser, pass: natsPassword ?? "", inboxPrefix: inboxPrefix(natsUser) }),
  }
  const began = performance.now()
  for (;;) {
    try {
      return await connect(options)
    } catch (error) {
      if (error instanceof AuthorizationError) {
        throw new BusUnreachableError(
          `${natsUrl} refused the user ${natsUser ?? "(none)"}: check BACKPLANE_NATS_USER and BACKPLANE_NATS_PASSWORD`,
        )
      }
      if (performance.now() - began > FIRST_CONNECT_DEADLINE_MILLISECONDS) {
        const reason = error instanceof Error ? error.message : String(error)
        throw new BusUnreachableError(`no NATS server at ${natsUrl} (${reason}): start the stack, or set BACKPLANE_NATS_URL`)
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS))
    }
  }
}

export interface ConnectionCounts {
  disconnects: number
  reconnects: number
  errors: number
}

export interface ConnectionWatch {
  readonly counts: Readonly<ConnectionCounts>
  /** The server is not there at the moment. */
  isAway(): boolean
}

/** Follows the connection's status until it is closed. `onRefused` hears of permission violations. */
export function watchConnection(
  connection: NatsConnection,
  events: EventSink,
  onRefused: (subject: string, reason: string) => void,
): ConnectionWatch {
  const counts: ConnectionCounts = { disconnects: 0, reconnects: 0, errors: 0 }
  const say = (name: string, level: "info" | "warn" | "error", detail: string): void => events.event({ name, level, fields: { detail } })
  const follow = async (): Promise<void> => {
    for await (const status of connection.status()) {
      switch (status.type) {
        case "disconnect":
          counts.disconnects++
          say("bus.disconnected", "warn", status.server)
          break
        case "reconnect":
          counts.reconnects++
          say("bus.reconnected", "info", status.server)
          break
        case "error":
          if (status.error instanceof PermissionViolationError) {
            onRefused(status.error.subject, status.error.message)
          } else {
            counts.errors++
            say("bus.error", "error", status.error.message)
          }
          break
        default:
          break
      }
    }
  }
  void follow()
  return { counts, isAway: () => counts.disconnects > counts.reconnects }
}
