/** Free ports on loopback. A default that is taken gives way to the next free one; one asked for by number does not. */
import { createServer } from "node:net"
import { UsageError } from "./options.ts"
import { claimPort } from "./port-claim.ts"

export const DEFAULT_PORTS = { nats: 4222, natsMonitor: 8222, http: 4380 } as const

const TRIES_MAX = 200

export interface PortWish {
  readonly name: string
  readonly first: number
  /** Asked for by the user with this flag: taken means an error. */
  readonly flag: string | null
}

export interface PortChoice {
  readonly port: number
  /** What to tell when the default was taken. */
  readonly notice: string | null
}

export async function choosePort(wish: PortWish, taken: ReadonlySet<number>): Promise<PortChoice> {
  for (let port = wish.first; port < wish.first + TRIES_MAX && port <= 65_535; port++) {
    if (!taken.has(port) && (await isFree(port)) && claimPort(port)) {
      return { port, notice: port === wish.first ? null : `port ${wish.first} (${wish.name}) is taken: using ${port}` }
    }
    if (wish.flag !== null) throw new UsageError(`${wish.flag} ${wish.first}: the port is taken; give another one or leave the option out`)
  }
  throw new UsageError(`no free port for ${wish.name} from ${wish.first} on: close some programs or name a free port`)
}

/** True when nothing listens on the port: neither on loopback nor on all addresses. */
export async function isFree(port: number): Promise<boolean> {
  return (await canListen(port, "127.0.0.1")) && (await canListen(port, "0.0.0.0"))
}

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer()
    server.once("error", () => done(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => done(true)))
  })
}
