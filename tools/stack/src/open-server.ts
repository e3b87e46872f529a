/** A nats-server without passwords on a free port, for programs that know nothing of the stack's. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Socket } from "node:net"
import { freePort } from "@backplane/foundation-process/free-ports"

const START_MILLISECONDS = 10_000
const POLL_MILLISECONDS = 20

export interface OpenServer {
  readonly url: string
  stop(): Promise<void>
}

export async function openServer(program: string): Promise<OpenServer> {
  const port = await freePort()
  const server = spawn(program, ["-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" })
  const ended = once(server, "exit")
  const deadline = Date.now() + START_MILLISECONDS
  while (!(await accepts(port))) {
    if (Date.now() > deadline || server.exitCode !== null) throw new Error(`${program} does not listen on port ${port}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    stop: async () => {
      server.kill()
      await ended
    },
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new Socket()
    socket.once("error", () => resolve(false))
    socket.connect(port, "127.0.0.1", () => resolve(true))
    socket.once("connect", () => socket.destroy())
  })
}
