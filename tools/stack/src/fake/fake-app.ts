/** The fake service as `--colocate` wants it: a `start(environment)` that shares its process with others. */
import { Svcm } from "@nats-io/services"
import { connect } from "@nats-io/transport-node"

export interface Started {
  readonly stopped: Promise<number>
  stop(): Promise<number>
}

export async function start(environment: Readonly<Record<string, string | undefined>>): Promise<Started> {
  const user = environment["BACKPLANE_NATS_USER"] ?? ""
  const instance = environment["BACKPLANE_INSTANCE"] ?? ""
  console.log(`${instance} started in process ${process.pid}`)
  const servers = environment["NATS_URL"] ?? ""
  const connection = await connect({ servers, user, pass: environment["BACKPLANE_NATS_PASSWORD"] ?? "", maxReconnectAttempts: -1 })
  await new Svcm(connection).add({ name: user, version: "0.1.0", metadata: { instance } })
  const stop = async (): Promise<number> => {
    await connection.close()
    return 0
  }
  process.once("SIGTERM", () => void stop())
  return { stopped: connection.closed().then(() => 0), stop }
}
