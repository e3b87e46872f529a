/**
 * Server-sent events by `fetch`: unlike EventSource it sends the token, which a gateway that tells strangers nothing wants.
 *
 * It goes only where looking needs it: a tab may still have the token of a stack that is gone, which would be refused. A stream that breaks is asked for again from where it was (Last-Event-ID), until it is closed (HTML Living Standard, 9.2).
 */
import { headers, reasonOf, token } from "./api.ts"

const AGAIN_MILLISECONDS = 2_000

export interface Feed {
  close(): void
}

export interface FeedHearer {
  readonly onData: (data: string) => void
  /** It broke, and why; it is tried again all the same. */
  readonly onBroken: (why: string) => void
}

export function openFeed(path: string, hearer: FeedHearer): Feed {
  const ended = new AbortController()
  void follow(path, hearer, ended.signal)
  return { close: () => ended.abort() }
}

async function follow(path: string, { onData, onBroken }: FeedHearer, signal: AbortSignal): Promise<void> {
  let last = ""
  let withToken = false
  while (!signal.aborted) {
    try {
      const resumed: Record<string, string> = last === "" ? {} : { "last-event-id": last }
      const access = withToken ? headers() : {}
      // A stream is no document: kept for the cache, it would have another tab wait for its end.
      const request = { headers: { ...access, accept: "text/event-stream", ...resumed }, cache: "no-store", signal } as const
      const response = await fetch(path, request)
      if (response.status === 401) {
        withToken = !withToken
        if (withToken && token() !== "") continue
      }
      if (!response.ok || response.body === null) throw new Error(await reasonOf(response))
      const parser = new EventParser()
      const text = new TextDecoder()
      const reader = response.body.getReader()
      for (let part = await reader.read(); !part.done; part = await reader.read())
        for (const { id, data } of parser.take(text.decode(part.value, { stream: true }))) {
          if (id !== null) last = id
          onData(data)
        }
      onBroken("the gateway does not answer; trying again")
    } catch (error) {
      if (signal.aborted) return
      onBroken(error instanceof TypeError ? "the gateway does not answer; trying again" : String((error as Error).message))
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MILLISECONDS))
  }
}

export interface StreamEvent {
  readonly id: string | null
  readonly data: string
}

/** Text as it comes, in pieces of any length, to events; those without data are none. */
export class EventParser {
  /** Of a line that has not ended yet. */
  #rest = ""
  #data: string[] = []
  #id: string | null = null

  take(text: string): readonly StreamEvent[] {
    const lines = (this.#rest + text).split(/\r?\n/)
    this.#rest = lines.pop() ?? ""
    const events: StreamEvent[] = []
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) events.push({ id: this.#id, data: this.#data.join("\n") })
        this.#data = []
        this.#id = null
        continue
      }
      const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
      if (field === "data") this.#data.push(value ?? "")
      if (field === "id") this.#id = value ?? ""
    }
    return events
  }
}
