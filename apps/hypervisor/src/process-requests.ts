/** One request to a process of the stack, on its control subject. */
import type { Json } from "@backplane/foundation-base/json"
import { hostSubject } from "@backplane/foundation-runtime/subjects"
import type { NatsConnection } from "@nats-io/nats-core"

const REQUEST_MILLISECONDS = 3_000

export type ProcessReply = { readonly ok: true } | { readonly ok: false; readonly field: string; readonly reason: string }

/** Asks a process; a silence is an answer too. */
export async function askProcess(
  connection: NatsConnection,
  instance: string,
  request: Readonly<Record<string, Json>>,
): Promise<ProcessReply> {
  try {
    const reply = await connection.request(hostSubject(instance), JSON.stringify(request), { timeout: REQUEST_MILLISECONDS })
    return reply.json()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { ok: false, field: "instance", reason: `${instance} does not answer: ${why}` }
  }
}
