/**
 * Where links come in: listening sockets, opened when they are first needed. Who connects says its token, or is cut off.
 *
 * Two lead to the same place where that can be: a port, and on Linux, beside a port of the loopback, an abstract socket (link-protocol.ts).
 */
import { randomBytes } from "node:crypto"
import { createServer, type ListenOptions, type Server, type Socket } from "node:net"
import { TOKEN_LENGTH } from "./link-protocol.ts"

const TOKEN_MILLISECONDS = 3_000
const TOKENS_MAX = 1024

/** `socket`'s first bytes were the token; those behind it are put back to be read. */
export type OnLinked = (socket: Socket) => void

const LOOPBACK = "127.0.0.1"

export interface Place {
  readonly port: number
  /** Null where there are only ports. */
  readonly path: string | null
}

export class LinkPlaceServer {
  readonly #host: string
  readonly #tokens = new Map<string, { readonly until: number; readonly onLinked: OnLinked }>()
  readonly #sockets = new Set<Socket>()
  readonly #servers: Server[] = []
  #place: Promise<Place> | null = null

  constructor(host: string) {
    this.#host = host
  }

  /** From now on, and for three seconds, who shows `token` is let in. Rejects where nothing can be listened on. */
  expect(token: string, onLinked: OnLinked): Promise<Place> {
    const now = performance.now()
    for (const [old, { until }] of this.#tokens) if (until < now || this.#tokens.size >= TOKENS_MAX) this.#tokens.delete(old)
    this.#tokens.set(token, { until: now + TOKEN_MILLISECONDS, onLinked })
    this.#place ??= this.#open()
    return this.#place
  }

  close(): void {
    this.#tokens.clear()
    for (const server of this.#servers) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #open(): Promise<Place> {
    const port = await this.#listen({ port: 0, host: this.#host })
    if (process.platform !== "linux" || this.#host !== LOOPBACK) return { port, path: null }
    const path = `backplane-link-${process.pid}-${randomBytes(6).toString("hex")}`
    return this.#listen({ path: abstractPath(path) }).then(
      () => ({ port, path }),
      () => ({ port, path: null }),
    )
  }

  /** The port, 0 for a path. */
  #listen(where: ListenOptions): Promise<number> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => this.#onConnection(socket))
      this.#servers.push(server)
      server.once("error", reject)
      server.listen(where, () => {
        const address = server.address()
        resolve(address === null || typeof address === "string" ? 0 : address.port)
      })
      // It must not keep a process alive that has nothing else to do.
      server.unref()
    })
  }

  #onConnection(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once("close", () => this.#sockets.delete(socket))
    socket.on("error", () => socket.destroy())
    socket.setTimeout(TOKEN_MILLISECONDS, () => socket.destroy())
    const onReadable = (): void => {
      const token = socket.read(TOKEN_LENGTH) as Buffer | null
      if (token === null) return
      socket.off("readable", onReadable)
      const expected = this.#tokens.get(token.toString("latin1"))
      this.#tokens.delete(token.toString("latin1"))
      if (expected === undefined || expected.until < performance.now()) return void socket.destroy()
      socket.setTimeout(0)
      expected.onLinked(socket)
      socket.resume()
    }
    socket.on("readable", onReadable)
  }
}

/** As `node:net` takes the name of a socket of Linux' abstract namespace. */
export function abstractPath(path: string): string {
  return `\0${path}`
}
