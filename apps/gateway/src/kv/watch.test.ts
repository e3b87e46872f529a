/** Readers of a watch that do not read as they should. */
import { describe, expect, it } from "vitest"
import type { KvChanged } from "@backplane/kv-contract/watch-messages"
import type { Watched } from "./store-access.ts"
import { watchBucket } from "./watch.ts"

interface Reader {
  readonly events: string[]
  readonly left: { count: number }
  readonly cuts: { count: number }
  change(key: string, time: number): void
  readonly ended: Promise<void>
}

/** A reader that takes so many events and then nothing more. */
function reader(takes: number): Reader {
  const events: string[] = []
  const left = { count: 0 }
  const cuts = { count: 0 }
  let tell: Watched["onChange"] = () => undefined
  const stream = {
    aborted: false,
    closed: false,
    onAbort: () => undefined,
    writeSSE: ({ event = "" }: { readonly event?: string }): Promise<void> => {
      if (events.length >= takes) return new Promise(() => undefined)
      events.push(event)
      return Promise.resolve()
    },
  }
  const store = {
    watch: (watched: Watched) => {
      tell = watched.onChange
      return () => void left.count++
    },
  }
  const cut = (): void => void cuts.count++
  const ended = watchBucket(stream, { store, bucket: "last", prefix: "", cut, stalledMilliseconds: 30 })
  const change = (key: string, time: number): void => {
    const changed: KvChanged = { kind: "KvChanged", watch: "w", bucket: "last", key, values: ["v"], context: { a: time } }
    tell(changed)
  }
  return { events, left, cuts, change, ended }
}

describe("a reader of a watch", () => {
  it("that stops reading is cut off, and its watch ends with it, however much changes meanwhile", async () => {
    const stopped = reader(3)
    for (let time = 1; time <= 5_000; time++) stopped.change(`k${time}`, time)
    await stopped.ended
    expect(stopped.events).toEqual(["open", "change", "change"])
    expect([stopped.cuts.count, stopped.left.count]).toEqual([1, 1])
  })

  it("that is too slow is told that it missed changes, and let go", async () => {
    const slow = reader(Number.POSITIVE_INFINITY)
    for (let time = 1; time <= 5_000; time++) slow.change(`k${time}`, time)
    await slow.ended
    expect(slow.events.at(-1)).toBe("overflow")
    expect(slow.events.filter((event) => event === "change")).toHaveLength(1024)
    expect([slow.cuts.count, slow.left.count]).toEqual([0, 1])
  })
})
