// @vitest-environment happy-dom
/** Streams from the gateway: pieces of any length, a break in the middle, and a gateway that wants the token. */
import { afterEach, describe, expect, it, vi } from "vitest"
import { keepToken } from "./api.ts"
import { EventParser, openFeed } from "./event-feed.ts"

const STREAM = 'id: 7\ndata: {"a":1}\n\nevent: x\ndata: one\ndata: two\n\n: nothing\n\nid: 9\r\ndata: ö\r\n\r\n'
const EVENTS = [
  { id: "7", data: '{"a":1}' },
  { id: null, data: "one\ntwo" },
  { id: "9", data: "ö" },
]

function streamOf(text: string): Response {
  return new Response(text, { status: 200, headers: { "content-type": "text/event-stream" } })
}

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
  keepToken("")
})

describe("a stream of events", () => {
  it.each([1, 2, 3, 5, 8, 1000])("is the same in pieces of %i characters", (length) => {
    const parser = new EventParser()
    const pieces = STREAM.match(new RegExp(`[^]{1,${length}}`, "g")) ?? []
    expect(pieces.flatMap((piece) => parser.take(piece))).toEqual(EVENTS)
  })

  it("goes on after the last event that it had, and ends when it is closed", async () => {
    const asked: (string | null)[] = []
    const heard: string[] = []
    const broken: string[] = []
    vi.useFakeTimers()
    vi.stubGlobal("fetch", (_path: string, { headers }: { headers: Record<string, string> }) => {
      asked.push(headers["last-event-id"] ?? null)
      return Promise.resolve(streamOf(asked.length === 1 ? "id: 4\ndata: a\n\n" : "data: b\n\n"))
    })
    const feed = openFeed("/x", { onData: (data) => heard.push(data), onBroken: (why) => broken.push(why) })
    await vi.advanceTimersByTimeAsync(3_000)
    expect(asked).toEqual([null, "4"])
    expect(heard).toEqual(["a", "b"])
    expect(broken).toEqual(Array(2).fill("the gateway does not answer; trying again"))
    feed.close()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(asked).toHaveLength(2)
  })

  it("sends the token where looking needs it, and not where it does not", async () => {
    const sent: (string | null)[] = []
    let isClosed = false
    vi.useFakeTimers()
    vi.stubGlobal("fetch", (_path: string, { headers }: { headers: Record<string, string> }) => {
      const authorization = headers["authorization"] ?? null
      sent.push(authorization)
      if (isClosed && authorization !== "Bearer right-token")
        return Promise.resolve(
          new Response(JSON.stringify({ detail: "a token is wanted", remedy: "`npx backplane token`" }), { status: 401 }),
        )
      return Promise.resolve(streamOf("data: a\n\n"))
    })
    const broken: string[] = []
    keepToken("token-of-a-stack-that-is-gone")
    const feed = openFeed("/x", { onData: () => undefined, onBroken: (why) => broken.push(why) })
    await vi.advanceTimersByTimeAsync(100)
    expect(sent).toEqual([null])
    isClosed = true
    await vi.advanceTimersByTimeAsync(2_000)
    expect(sent).toEqual([null, null, "Bearer token-of-a-stack-that-is-gone"])
    expect(broken.at(-1)).toBe("a token is wanted: `npx backplane token`")
    keepToken("right-token")
    await vi.advanceTimersByTimeAsync(2_000)
    expect(sent.slice(3)).toEqual([null, "Bearer right-token"])
    feed.close()
  })
})
