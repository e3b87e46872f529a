/** Tells the services of a process to lose what goes between them and others, or to stop losing it. */
import type { NatsConnection } from "@nats-io/nats-core"

const ANSWER_MILLISECONDS = 2_000

/** Null when all of them do so; else why not. */
export async function cutOff(connection: NatsConnection, instances: readonly string[], isCut: boolean): Promise<string | null> {
  const request = JSON.stringify({ op: "cut", peers: isCut ? "all" : [] })
  for (const instance of instances) {
    try {
      const reply = await connection.request(`bp.ctl.host.${instance}`, request, { timeout: ANSWER_MILLISECONDS })
      const { ok, reason } = reply.json<{ ok?: boolean; reason?: string }>()
      if (ok !== true) return `${instance} cannot be cut off: ${reason ?? "it does not know how"}`
    } catch {
      return `${instance} does not answer; pause or kill it instead`
    }
  }
  return null
}
