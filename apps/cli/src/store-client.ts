/** The store of the running stack over its gateway's HTTP API, as the `kv` commands use it. */
import type { Command } from "commander"
import { bad, CommandFailure } from "./failure.ts"
import { homeOf } from "./running-stack.ts"
import { bearerOf, mustReadStack } from "./stack-client.ts"

const TIMEOUT_MILLISECONDS = 15_000

export interface StoreAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export interface StoreRequest {
  readonly method?: "GET" | "PUT" | "POST" | "DELETE"
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Statuses besides success that are answers too. */
  readonly accept?: readonly number[]
}

export class StoreClient {
  readonly #url: string
  readonly #bearer: Record<string, string>

  constructor(home: string) {
    const { url, token } = mustReadStack(home).http
    this.#url = url
    this.#bearer = bearerOf(token)
  }

  async ask(path: string, request: StoreRequest = {}): Promise<StoreAnswer> {
    const response = await this.#fetch(path, request, AbortSignal.timeout(TIMEOUT_MILLISECONDS))
    const text = await response.text()
    if (response.ok || request.accept?.includes(response.status) === true)
      return { status: response.status, headers: response.headers, text }
    throw failureOf(response.status, text)
  }

  async json<T>(path: string, request: StoreRequest = {}): Promise<T> {
    const { text } = await this.ask(path, { ...request, headers: { accept: "application/json", ...request.headers } })
    return JSON.parse(text) as T
  }

  /** Server-sent events, until the caller stops or the gateway does. */
  async *events(path: string): AsyncGenerator<{ readonly event: string; readonly data: string }> {
    const response = await this.#fetch(path, { headers: { accept: "text/event-stream" } }, undefined)
    if (!response.ok || response.body === null) throw failureOf(response.status, await response.text())
    let text = ""
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const lines = text.slice(0, end).split("\n")
        text = text.slice(end + 2)
        const field = (name: string): string => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? ""
        yield { event: field("event"), data: field("data") }
      }
    }
  }

  async #fetch(path: string, { method = "GET", body, headers }: StoreRequest, signal: AbortSignal | undefined): Promise<Response> {
    try {
      return await fetch(this.#url + path, {
        method,
        headers: { ...this.#bearer, ...headers },
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      throw new CommandFailure("no-answer", `the gateway at ${this.#url} does not answer (${String(error)}): see \`backplane ps\``)
    }
  }
}

export function storeOf(command: Command): StoreClient {
  return new StoreClient(homeOf(command))
}

export function keyPath(bucket: string, key: string): string {
  if (bucket === "") throw bad("bucket", "the name is empty; `backplane kv buckets` shows those there are")
  if (key === "") throw bad("key", "the key is empty; give 1 to 512 characters")
  return `/v1/kv/${encodeURIComponent(bucket)}/${encodeURIComponent(key)}`
}

/** Of a request that is wrong by itself, whatever the store holds. */
const WRONG_INPUT: readonly number[] = [400, 413, 414]

/** What gives a field of the API. */
const FLAGS: Readonly<Record<string, string>> = {
  r: "--r",
  w: "--w",
  limit: "--limit",
  "Kv-Session": "--session",
  "If-Match": "--context",
  "Idempotency-Key": "--idempotency-key",
  policy: "--policy",
  crdt: "--crdt",
  handler: "--handler",
  map: "--map",
  reduce: "--reduce",
  milliseconds: "--milliseconds",
  megabytes: "--megabytes",
}

function failureOf(status: number, text: string): CommandFailure {
  let problem: { readonly detail?: string; readonly field?: string; readonly remedy?: string } = {}
  try {
    problem = JSON.parse(text) as typeof problem
  } catch {
    // Not ours: told as it came.
  }
  const { detail = text.slice(0, 200), field, remedy } = problem
  // Who typed it knows flags and arguments, no headers and queries.
  if (WRONG_INPUT.includes(status) && field !== undefined)
    return bad(FLAGS[field] ?? field, [detail, remedy].filter((part) => part !== undefined).join(": "), field)
  const kind = status === 404 ? "not-found" : status >= 500 ? "unavailable" : "refused"
  return new CommandFailure(
    kind,
    [field === undefined ? detail : `${field}: ${detail}`, remedy].filter((part) => part !== undefined).join(": "),
  )
}
