import { describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { event, send } from "@backplane/foundation-actor/effects"
import type { Effect } from "@backplane/foundation-actor/machine"
import { RUN_PAGES_MAX, type PageMessage, type PagesRun } from "@backplane/memory-contract/coherence-messages"
import { gathered, messagesOf } from "./page-runs.ts"

const HOME = actorId("memory.0")
const NODE = actorId("node.1")
const TEXT = { encode: (bytes: Uint8Array) => bytes, decode: (text: string) => Uint8Array.from(Buffer.from(text, "base64")) }

function getS(page: number, more: Partial<Extract<PageMessage, { kind: "PageGetS" }>> = {}): PageMessage {
  return { kind: "PageGetS", space: "alpha", page, epoch: 3, node: 0, txn: page + 1, has: page % 2 === 0, ...more }
}

function data(page: number): PageMessage {
  const answered = { txn: 7, serial: page + 20, want: page % 2 === 0 ? ("E" as const) : ("M" as const), acks: 5, version: 2, home: 1 }
  return { kind: "PageData", space: "alpha", page, epoch: 3, node: 0, ...answered, bytes: new Uint8Array(4096).fill(page) }
}

/** Sends of an effect list, taken apart again. */
function said(effects: readonly Effect<PageMessage | PagesRun>[]): readonly PageMessage[] {
  return effects.flatMap((effect): readonly PageMessage[] =>
    effect.kind !== "send" ? [] : effect.body.kind === "PagesRun" ? messagesOf(effect.body, TEXT) : [effect.body],
  )
}

describe("runs of pages", () => {
  it("what is said of several pages to one receiver is one message, and the same once it is taken apart", () => {
    const bodies = [getS(4), getS(5), getS(9)]
    const effects = gathered(bodies.map((body) => send(HOME, body, "page/alpha/4")))
    expect(effects).toMatchObject([{ kind: "send", to: HOME, span: "page/alpha/4", body: { kind: "PagesRun", of: "PageGetS" } }])
    expect(said(effects)).toEqual(bodies)
  })

  it("bytes of pages go one behind the other, as many as a message may have", () => {
    const bodies = Array.from({ length: RUN_PAGES_MAX.bytes + 4 }, (_, page) => data(page))
    const effects = gathered(
      bodies.map((body) => send(NODE, body)),
      () => RUN_PAGES_MAX.bytes,
    )
    expect(effects).toHaveLength(2)
    expect(said(effects)).toEqual(bodies)
  })

  it("other receivers, other spans, other lives of the home and other kinds stay apart; what is no such message stays where it was", () => {
    const other = event("space-opened", {})
    const effects: Effect<PageMessage>[] = [
      send(HOME, getS(1)),
      other,
      send(HOME, getS(2), "a span"),
      send(actorId("memory.1"), getS(3)),
      send(HOME, getS(4, { epoch: 4 })),
      send(HOME, { kind: "PageUnblock", space: "alpha", page: 1, epoch: 3, node: 0, txn: 1 }),
    ]
    expect(gathered(effects)).toEqual(effects)
  })

  it("page stores, and bytes that are text already, get single messages", () => {
    const effects = [send(actorId("memory.store-0"), getS(1)), send(actorId("memory.store-0"), getS(2))]
    expect(gathered(effects)).toEqual(effects)
    const asText = [0, 1].map((page) => send(NODE, { ...data(page), bytes: "" } as PageMessage))
    expect(gathered(asText)).toEqual(asText)
  })

  it("a node that has not said that it takes more gets sixteen pages at most", () => {
    const effects = gathered(Array.from({ length: 33 }, (_, page) => send(NODE, data(page))))
    expect(
      effects.map((effect) => (effect.kind === "send" && effect.body.kind === "PagesRun" ? effect.body.numbers.length / 7 : 1)),
    ).toEqual([16, 16, 1])
  })

  it("a damaged run says nothing", () => {
    const run = { kind: "PagesRun", space: "alpha", epoch: 3, node: 0 } as const
    expect(messagesOf({ ...run, of: "PageGetS", numbers: [1, 2] })).toEqual([])
    expect(messagesOf({ ...run, of: "PageData", numbers: [1, 2, 3, 0, 0, 0, 0] }, TEXT)).toEqual([])
    expect(messagesOf({ ...run, of: "PageGetS", numbers: [1, 2, 0], bytes: new Uint8Array(4096) }, TEXT)).toEqual([])
  })

  it("bytes that came as base64 are the same bytes", () => {
    const bodies = [data(1), data(2)]
    const effect = gathered(bodies.map((body) => send(NODE, body)))[0]
    if (effect?.kind !== "send" || effect.body.kind !== "PagesRun") throw new Error("a run was expected")
    const bytes = Buffer.from(effect.body.bytes as Uint8Array).toString("base64")
    const apart = messagesOf({ ...effect.body, bytes }, TEXT)
    expect(apart).toEqual(bodies)
  })
})
