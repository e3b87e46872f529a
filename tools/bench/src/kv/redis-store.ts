/** Redis, one process, every write synced before it is answered (`appendfsync always`): as durable as one disk is. RESP, pipelined. */
import { mkdirSync } from "node:fs"
import { connect as connectSocket, type Socket } from "node:net"
import { freePorts } from "@backplane/foundation-process/free-ports"
import { findProgram, launch, until } from "./programs.ts"
import type { KvConnection, RunningStore, StoreUnderTest } from "./store-under-test.ts"

type Waiter = { readonly resolve: (reply: string | null) => void; readonly reject: (error: Error) => void }

/** As much of RESP2 as GET and SET answer with: simple strings, errors, bulk strings. */
class RespConnection implements KvConnection {
  readonly #socket: Socket
  readonly #waiting: Waiter[] = []
  #next = 0
  #text = ""
  #out: string[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding("latin1").on("data", (chunk) => this.#onData(String(chunk)))
    socket.on("error", (error) => {
      for (const { reject } of this.#waiting.splice(0)) reject(error)
    })
  }

  get(key: string): Promise<string | null> {
    return this.#ask(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`)
  }

  put(key: string, value: string): Promise<string | null> {
    return this.#ask(`*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n`)
  }

  close(): void {
    this.#socket.destroy()
  }

  #ask(command: string): Promise<string | null> {
    if (this.#out.length === 0) queueMicrotask(() => this.#socket.write(this.#out.splice(0).join(""), "latin1"))
    this.#out.push(command)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  #onData(chunk: string): void {
    this.#text += chunk
    let offset = 0
    for (;;) {
      const line = this.#text.indexOf("\r\n", offset)
      if (line < 0) break
      const kind = this.#text[offset]
      if (kind !== "$") {
        this.#answer(kind === "-" ? new Error(this.#text.slice(offset + 1, line)) : this.#text.slice(offset + 1, line))
        offset = line + 2
        continue
      }
      const length = Number(this.#text.slice(offset + 1, line))
      const end = line + 2 + length + 2
      if (length >= 0 && this.#text.length < end) break
      this.#answer(length < 0 ? null : this.#text.slice(line + 2, line + 2 + length))
      offset = length < 0 ? line + 2 : end
    }
    this.#text = this.#text.slice(offset)
  }

  #answer(reply: string | null | Error): void {
    const waiter = this.#waiting[this.#next++]
    if (this.#next > 1024) this.#waiting.splice(0, this.#next) && (this.#next = 0)
    if (reply instanceof Error) waiter?.reject(reply)
    else waiter?.resolve(reply)
  }
}

function open(port: number): Promise<KvConnection> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: "127.0.0.1", port, noDelay: true }, () => resolve(new RespConnection(socket)))
    socket.once("error", reject)
  })
}

async function start(folder: string): Promise<RunningStore | null> {
  const program = findProgram("redis-server")
  if (program === null) return null
  const [port = 0] = await freePorts(1)
  mkdirSync(folder, { recursive: true })
  const server = launch([
    program,
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder],
    ...["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
  ])
  await until("Redis", async () => {
    const connection = await open(port)
    await connection.put("ready", "yes")
    await connection.close()
  })
  return { pids: [server.pid], connect: () => open(port), stop: () => server.stop() }
}

export const redisStore: StoreUnderTest = { name: "redis", start }
