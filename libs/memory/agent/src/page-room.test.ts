import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { RUN_PAGES_MAX, type PagesRun } from "@backplane/memory-contract/coherence-messages"
import { describe, expect, it } from "vitest"
import type { AgentSays } from "./agent-options.ts"
import { PageAgent } from "./page-agent.ts"
import { joinedPages, PageRoom } from "./page-room.ts"
import { gathered, messagesOf } from "./page-runs.ts"

const PAGE_BYTES = 4096

function filled(bytes: Uint8Array, page: number): Uint8Array {
  return bytes.fill(page + 1)
}

describe("room for pages that go out together", () => {
  it("lies one behind the other for as many as a message may carry, and ends with the pages that were announced", () => {
    const room = new PageRoom(RUN_PAGES_MAX.bytes + 1)
    const pages = Array.from({ length: RUN_PAGES_MAX.bytes }, (_, page) => filled(room.next() ?? new Uint8Array(0), page))
    const joined = joinedPages(pages)
    expect(joined.buffer).toBe(pages[0]?.buffer)
    expect(Array.from({ length: pages.length }, (_, page) => joined[page * PAGE_BYTES + 7])).toEqual(pages.map((_, page) => page + 1))
    // The one that is left over has no more room than it needs.
    expect(room.next()?.buffer.byteLength).toBe(PAGE_BYTES)
    expect(room.next()).toBeUndefined()
  })

  it("pages that lie elsewhere, or in another order, are copied", () => {
    const room = new PageRoom(2)
    const [first, second] = [filled(room.next() ?? new Uint8Array(0), 0), filled(room.next() ?? new Uint8Array(0), 1)]
    const other = filled(new Uint8Array(PAGE_BYTES), 2)
    for (const pages of [
      [second, first],
      [first, other],
      [other, first],
    ]) {
      const joined = joinedPages(pages)
      expect(pages.map((_, index) => joined[index * PAGE_BYTES])).toEqual(pages.map((page) => page[0]))
      expect(pages.map(({ buffer }) => buffer)).not.toContain(joined.buffer)
    }
  })

  it("a node that is asked for many pages at once sends each as it is, and later writes do not show", () => {
    const memory = new Uint8Array(8 * PAGE_BYTES)
    const agent = new PageAgent({
      space: "a",
      node: 1,
      nodes: 2,
      memory: {
        read: (page, into = new Uint8Array(PAGE_BYTES)) => {
          into.set(memory.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES))
          return into
        },
        write: () => undefined,
        setRights: () => undefined,
      },
      homeOf: () => actorId("memory.0"),
      nodeActor: (number) => actorId(`node.${number}`),
      retryCycles: 1_000,
      pinCycles: 1_000,
      onChange: () => undefined,
      onResult: () => undefined,
      text: { encode: (bytes) => bytes, decode: () => new Uint8Array(0) },
    })
    memory.forEach((_, at) => {
      memory[at] = Math.floor(at / PAGE_BYTES) + 1
    })
    const numbers = [6, 2, 5].flatMap((page) => [page, 1, 1, 1, 0])
    const fetch: PagesRun = { kind: "PagesRun", space: "a", epoch: 1, node: 0, of: "PageFetch", numbers }
    const out: Effect<AgentSays>[] = []
    agent.hearAny(virtualTime(0), actorId("memory.0"), fetch, out)
    const sent = gathered(out).flatMap((effect) => (effect.kind === "send" && effect.body.kind === "PagesRun" ? [effect.body] : []))
    memory.fill(99)
    const data = sent.flatMap((run) => messagesOf(run))
    expect(sent).toHaveLength(1)
    expect(data.map((body) => [body.page, "bytes" in body && typeof body.bytes !== "string" ? body.bytes[9] : null])).toEqual([[6, 7], [2, 3], [5, 6]]) // prettier-ignore
  })
})
