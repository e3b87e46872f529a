import { describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { CoherenceMessage, PageMessage } from "@backplane/memory-contract/coherence-messages"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { Directory } from "./directory.ts"

const page = { space: "a", page: 1, epoch: 1 }

function directory(place: (toucher: number) => number | null = (toucher) => toucher): {
  readonly it: Directory
  hear(from: string, body: PageMessage): readonly string[]
} {
  const it = new Directory({ nodes: 2, epoch: 1, nodeActor, place: ({ toucher }) => place(toucher), knowsNothing: false })
  return {
    it,
    hear: (from, body) => {
      const out: Effect<CoherenceMessage>[] = []
      it.hear(actorId(from), body, out)
      return out.flatMap((effect) =>
        effect.kind === "send" ? [`${effect.body.kind} → ${effect.to}`] : effect.kind === "event" ? [effect.name] : [],
      )
    },
  }
}

describe("the directory", () => {
  it("refuses what no correct run shows, and goes on as before", () => {
    const { it: home, hear } = directory()
    expect(hear("node.0", { kind: "PageGetM", ...page, node: 0, txn: 1, has: false })).toEqual(["PageFetch → node.0"])
    expect(hear("node.0", { kind: "PageUnblock", ...page, node: 0, txn: 1 })).toEqual([])
    const before = JSON.stringify([...(home.spaces().get("a") ?? [])])
    const wrong: readonly (readonly [string, PageMessage])[] = [
      ["node.1", { kind: "PageGetM", ...page, node: 77, txn: 1, has: false }],
      ["stranger.0", { kind: "PageGetM", ...page, node: 1, txn: 1, has: false }],
      ["node.1", { kind: "PageResult", ...page, node: 1, txn: 1, serial: 9, value: "0x1" }],
      ["node.1", { kind: "PageDone", ...page, node: 1, txn: 1 }],
    ]
    for (const [from, body] of wrong) expect(hear(from, body)).toEqual(["page-message-refused"])
    expect(JSON.stringify([...(home.spaces().get("a") ?? [])])).toBe(before)
    expect(hear("node.1", { kind: "PageGetS", ...page, node: 1, txn: 1, has: false })).toEqual(["PageFwdS → node.0"])
  })

  it("holds back that requests are over, and tells it of many pages at once; who asks is told at once", () => {
    const { it: home, hear } = directory(() => 0)
    for (const number of [1, 2]) {
      hear("node.1", { kind: "PageGetS", ...page, page: number, node: 1, txn: 1, has: false })
      expect(hear("node.1", { kind: "PageUnblock", ...page, page: number, node: 1, txn: 1 })).toEqual([])
    }
    // A later request says that the earlier was served: it waits for nothing.
    hear("node.1", { kind: "PageGetS", ...page, page: 3, node: 1, txn: 1, has: false })
    expect(hear("node.1", { kind: "PagePut", ...page, page: 3, node: 1, txn: 2, bytes: false })).toEqual(["PageDone → node.1"])
    expect(home.owesDone).toBe(true)
    const out: Effect<CoherenceMessage>[] = []
    home.tellDone(out)
    const told = { kind: "PagesDone", space: "a", epoch: 1, node: 1, done: [1, 1, 2, 1, 3, 1] }
    expect(out).toEqual([{ kind: "send", to: "node.1", body: told }])
    expect(home.owesDone).toBe(false)
    expect(hear("node.1", { kind: "PageUnblock", ...page, page: 2, node: 1, txn: 1 })).toEqual(["PageDone → node.1"])
  })

  it("refuses a page for which no node has a frame, and serves it when one has", () => {
    let free: number | null = null
    const { hear } = directory(() => free)
    const ask = { kind: "PageGetS", ...page, node: 1, txn: 1, has: false } as const
    expect(hear("node.1", ask)).toEqual(["page-refused", "PageRefused → node.1"])
    free = 0
    expect(hear("node.1", ask)).toEqual(["PageFetch → node.0"])
  })

  it("a frame that moves: copies come back, the frame is handed over, the old one is free; in one trace", () => {
    const { it: home, hear } = directory(() => 0)
    hear("node.1", { kind: "PageGetM", ...page, node: 1, txn: 1, has: false })
    expect(home.move({ space: "a", page: 1, to: 1 }, [])).toBe("page 1 of a is busy; ask again")
    hear("node.1", { kind: "PageUnblock", ...page, node: 1, txn: 1 })
    const out: Effect<CoherenceMessage>[] = []
    expect(home.move({ space: "a", page: 1, to: 1 }, out)).toBeNull()
    expect(out).toMatchObject([
      { kind: "span", op: "open", name: "mem.migrate" },
      { kind: "send", body: { kind: "PageRecall", to: 1, home: 0 }, span: "page/a/1" },
    ])
    expect(hear("node.0", { kind: "PageStored", ...page, serial: 2, from: 1 })).toEqual(["PageReleased → node.1", "PageHandOver → node.0"])
    // The new frame is taken as soon as the move begins.
    expect(home.frames().nodes()).toEqual([1, 1])
    expect(hear("node.1", { kind: "PageMoved", ...page, serial: 2, from: 1 })).toEqual(["PageFrameFree → node.0", "page-migrated"])
    expect(home.frames().nodes()).toEqual([0, 1])
    expect(home.isMoving).toBe(false)
    expect(hear("node.0", { kind: "PageGetS", ...page, node: 0, txn: 1, has: false })).toEqual(["PageFetch → node.1"])
  })

  it.each([
    { want: { space: "b", page: 1, to: 1 }, reason: "there is no space b; `memory map` lists them" },
    { want: { space: "a", page: 1, to: 5 }, reason: "there is no live node 5" },
    { want: { space: "a", page: 1, to: 0 }, reason: "the frame of page 1 of a lies on node 0 already" },
  ])("a move that cannot be is refused: $reason", ({ want, reason }) => {
    const { it: home, hear } = directory(() => 0)
    hear("node.1", { kind: "PageGetM", ...page, node: 1, txn: 1, has: false })
    expect(home.move(want, [])).toBe(reason)
  })
})
