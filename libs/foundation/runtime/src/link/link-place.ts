/** Where links come in: one listening socket, opened when it is first needed. Who connects says its token, or is cut off. */
import { createServer, type Server, type Socket } from "node:net"
import { TOKEN_LENGTH } from "./link-protocol.ts"

const TOKEN_MILLISECONDS = 3_000
const TOKENS_MAX = 1024

/** `socket`'s first bytes were the token; those behind it are put back to be read. */
export type OnLinked = (socket: Socket) => void

export class LinkPlaceServer {
  readonly #host: string
  readonly #tokens = new Map<string, { readonly until: number; readonly onLinked: OnLinked }>()
  readonly #sockets = new Set<Socket>()
  #server: Server | null = null
  #port: Promise<number> | null = null

  constructor(host: string) {
    this.#host = host
  }

  /** From now on, and for three seconds, who shows `token` is let in. The port. Rejects where nothing can be listened on. */
  expect(token: string, onLinked: OnLinked): Promise<number> {
    const now = performance.now()
    for (const [old, { until }] of this.#tokens) if (until < now || this.#tokens.size >= TOKENS_MAX) this.#tokens.delete(old)
    this.#tokens.set(token, { until: now + TOKEN_MILLISECONDS, onLinked })
    this.#port ??= this.#listen()
    return this.#port
  }

  close(): void {
    this.#tokens.clear()
    this.#server?.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => this.#onConnection(socket))
      this.#server = server
      server.once("error", reject)
      server.listen(0, this.#host, () => {
        const address = server.address()
        if (address === null || typeof address === "string") reject(new Error("a TCP server has a port"))
        else resolve(address.port)
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
