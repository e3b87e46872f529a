/** Ports for programs that are started by a test or a tool. */
import { randomInt } from "node:crypto"
import { createServer, type Server } from "node:net"

/** Below the range from which the system takes ports for outgoing connections: nobody gets one between the look and the use. */
const LOWEST = 20_000
const HIGHEST = 31_999
const TRIES_MAX = 100

/** So many ports of 127.0.0.1 on which nobody listens, all different. Throws where 100 tries find none. */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = []
  try {
    const ports: number[] = []
    while (ports.length < count) {
      const [server, port] = await hold()
      held.push(server)
      ports.push(port)
    }
    return ports
  } finally {
    await Promise.all(held.map((server) => new Promise((closed) => server.close(closed))))
  }
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port as number
}

async function hold(): Promise<readonly [Server, number]> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = randomInt(LOWEST, HIGHEST + 1)
    const server = await listen(port)
    if (server !== null) return [server, port]
  }
  throw new Error(`no free port from ${LOWEST} to ${HIGHEST} in ${TRIES_MAX} tries: end what listens there`)
}

/** Null: somebody has the port. */
function listen(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(null))
    server.listen(port, "127.0.0.1", () => resolve(server))
  })
}
