/** A nats-server of our own, a far end in a process of its own, and a connection beside it: for benches of two processes. */
import { fork, type ChildProcess } from "node:child_process"
import { join } from "node:path"
import { startNatsServer } from "@backplane/nats/start-server"
import type { NatsConnection } from "@nats-io/nats-core"
import { connect } from "@nats-io/transport-node"

const USER = "bench"

/** Runs `use` while the far end (a program of this folder: server, user, password in; a message when it is ready) answers; ends all of it after. */
export async function withFarEnd<Result>(program: string, use: (connection: NatsConnection) => Promise<Result>): Promise<Result> {
  const server = await startNatsServer({ unrestrictedUsers: [USER] })
  try {
    const password = server.credentials.get(USER) ?? ""
    const farEnd = await startFarEnd(program, [server.url, USER, password])
    const connection = await connect({ servers: server.url, user: USER, pass: password })
    try {
      return await use(connection)
    } finally {
      await connection.close()
      farEnd.disconnect()
    }
  } finally {
    await server.stop()
  }
}

function startFarEnd(program: string, args: readonly string[]): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, program), args)
  return new Promise((resolve, reject) => {
    child.once("message", () => resolve(child))
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code} before it was ready`)))
  })
}
