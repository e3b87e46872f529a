/**
 * Bounds what lies between us and the server. The NATS client queues without limit while it reconnects or the socket is
 * slow; a bus must not. Every few megabytes a flush (PING) is sent; what its PONG has not confirmed counts as outstanding.
 */
import type { NatsConnection } from "@nats-io/nats-core"

const FLUSH_EVERY_BYTES = 4 * 1_048_576
const OUTSTANDING_BYTES_MAX = 64 * 1_048_576
/** While the server is away only a little is kept: at most once is the promise, and the old is worth less than the new. */
const AWAY_BYTES_MAX = 1_048_576

export class OutboundGauge {
  readonly #connection: NatsConnection
  /** Bytes handed over since the start. Only grows. */
  #published = 0
  /** Of these, known to have reached the server or given up. At most `#published`. */
  #confirmed = 0
  #flushedAt = 0
  #away = false

  constructor(connection: NatsConnection) {
    this.#connection = connection
    void this.#watch()
  }

  /** Null: go on. Otherwise why not. */
  admit(bytes: number): string | null {
    if (this.#connection.isClosed()) return "the connection is closed"
    const limit = this.#away ? AWAY_BYTES_MAX : OUTSTANDING_BYTES_MAX
    if (this.#published - this.#confirmed + bytes > limit) return this.#away ? "the server is away" : `${limit} bytes wait for the server`
    this.#published += bytes
    if (this.#published - this.#flushedAt >= FLUSH_EVERY_BYTES && !this.#away) this.#flush()
    return null
  }

  #flush(): void {
    const upTo = this.#published
    this.#flushedAt = upTo
    this.#connection.flush().then(
      () => {
        this.#confirmed = Math.max(this.#confirmed, upTo)
      },
      () => undefined, // closed: admit() says so
    )
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type !== "disconnect" && status.type !== "reconnect") continue
      this.#away = status.type === "disconnect"
      this.#confirmed = this.#published
    }
  }
}
