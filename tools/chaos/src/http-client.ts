/**
 * A client of the store over HTTP: one request at a time, repeated at another gateway until it is answered; writes down what it did and heard.
 *
 * A repeat bears the idempotency key of the first try. Registers are used for a while and then left, so that their histories stay short enough to
 * be judged whole.
 */
import { Random } from "@backplane/foundation-base/random"
import type { HistoryEntry } from "@backplane/kv-history/history"
import type { Took } from "./tail.ts"
import { Agent, request as httpRequest } from "node:http"

export const KEYS = 12
/** How long clients use one generation of registers. */
const REGISTERS_MILLISECONDS = 4_000
/** A try that has no answer by then is given up and repeated elsewhere. */
const TRY_MILLISECONDS = 2_000
const GIVE_UP_MILLISECONDS = 20_000

interface Known {
  readonly etag: string
  readonly values: readonly string[]
}

interface Answer {
  readonly status: number
  readonly etag: string
  /** How often the gateway sent it: a put may have been done by each coordinator that got it. */
  readonly attempts: number
  readonly body: { readonly values: readonly string[]; readonly swapped?: boolean }
}

export interface ClientOptions {
  readonly name: string
  readonly urls: readonly string[]
  readonly seed: string
  readonly history: HistoryEntry[]
  readonly took: Took[]
  /** Nanoseconds since the run began. */
  readonly now: () => number
  readonly pauseMilliseconds: number
}

type Op = "get" | "put" | "delete" | "cas"

export class HttpClient {
  readonly #options: ClientOptions
  readonly #random: Random
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 })
  readonly #known = new Map<string, Known>()
  #count = 0
  #running = true
  failed = 0

  constructor(options: ClientOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
  }

  stop(): void {
    this.#running = false
  }

  async run(): Promise<void> {
    while (this.#running) {
      await this.#one()
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(this.#options.pauseMilliseconds + 1)))
    }
    this.#agent.destroy()
  }

  async #one(): Promise<void> {
    const random = this.#random
    const bucket = random.pick(["default", "last", "registers"])
    const generation = Math.floor(this.#options.now() / 1e6 / REGISTERS_MILLISECONDS)
    const key = bucket === "registers" ? `r${generation}-${random.below(2)}` : `k${random.below(KEYS)}`
    const chance = random.unit()
    const op: Op = chance < 0.45 ? "get" : bucket === "registers" ? "cas" : chance < 0.9 ? "put" : "delete"
    const place = `${bucket}/${key}`
    const known = this.#known.get(place)
    // Siblings pile up where nobody reads: most writes know what they replace.
    const uses = op !== "get" && known !== undefined && random.chance(0.8) ? known : undefined
    const id = `${this.#options.name}-${++this.#count}`
    const value = op === "put" || op === "cas" ? id : null
    const expect = op === "cas" ? (known?.values[0] ?? null) : null
    const start = this.#options.now()
    const { answer, tries } = await this.#until(op, `/v1/kv/${place}`, { id, value, expect, etag: uses?.etag })
    const end = this.#options.now()
    if (answer === null) this.failed++
    else
      this.#options.took.push({
        what: bucket === "registers" ? "register" : "key",
        ...{ start: start / 1e6, milliseconds: (end - start) / 1e6, tries, attempts: answer.attempts },
      })
    this.#options.history.push({
      client: this.#options.name,
      op,
      bucket,
      key,
      value,
      expect,
      saw: op === "get" || op === "cas" ? [] : (uses?.values ?? []),
      start,
      end: answer === null ? null : end,
      ok: answer === null ? null : answer.status === 400 || answer.status === 409 ? false : true,
      result: answer?.body.values ?? [],
      swapped: op === "cas" && answer !== null ? (answer.body.swapped ?? null) : null,
      // Of two events of one request the later wins there.
      maybeTwice: bucket === "last" && (tries > 1 || (answer?.attempts ?? 2) > 1),
    })
    if (answer !== null) this.#known.set(place, { etag: answer.etag, values: answer.body.values })
  }

  async #until(
    op: Op,
    path: string,
    what: { readonly id: string; readonly value: string | null; readonly expect: string | null; readonly etag: string | undefined },
  ): Promise<{ answer: Answer | null; tries: number }> {
    const { urls } = this.#options
    const first = this.#random.below(urls.length)
    const deadline = performance.now() + GIVE_UP_MILLISECONDS
    for (let tries = 0; performance.now() < deadline; tries++) {
      const answer = await this.#try(urls[(first + tries) % urls.length] ?? "", op, path, what).catch(() => null)
      // A gateway that is at fault, or in doubt, has promised nothing: the same request at the next one.
      if (answer !== null && answer.status < 500) return { answer, tries: tries + 1 }
      await new Promise((resolve) => setTimeout(resolve, Math.min(50, 2 ** tries)))
    }
    return { answer: null, tries: Infinity }
  }

  #try(
    base: string,
    op: Op,
    path: string,
    {
      id,
      value,
      expect,
      etag,
    }: { readonly id: string; readonly value: string | null; readonly expect: string | null; readonly etag: string | undefined },
  ): Promise<Answer> {
    const method = { get: "GET", put: "PUT", delete: "DELETE", cas: "POST" }[op]
    const headers: Record<string, string> = { accept: "application/json" }
    if (op !== "get") headers["idempotency-key"] = id
    // Without a context a delete takes all that is there: the history would not know what.
    if (etag !== undefined || op === "delete") headers["if-match"] = etag ?? '"e30"'
    return new Promise((resolve, reject) => {
      const request = httpRequest(base + path, { method, headers, agent: this.#agent, timeout: TRY_MILLISECONDS }, (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
        response.on("error", reject)
        response.on("end", () => {
          try {
            const body = JSON.parse(text) as Partial<Answer["body"]>
            resolve({
              status: response.statusCode ?? 0,
              etag: response.headers.etag ?? '"e30"',
              attempts: Number(response.headers["kv-attempts"] ?? 1),
              body: { ...body, values: body.values ?? [] },
            })
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)))
          }
        })
      })
      request.on("timeout", () => request.destroy(new Error("no answer in time")))
      request.on("error", reject)
      request.end(op === "put" ? value : op === "cas" ? JSON.stringify({ expect, value }) : undefined)
    })
  }
}
