/** Bursts at a store whose replicas need time: what is asked faster than it can be done waits, and is done about once. */
import { describe, expect, it } from "vitest"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Operation } from "@backplane/kv-contract/client-messages"
import { BusyStore } from "./busy-store.ts"
import { MS, SECOND } from "./scene.ts"

/** As the live store has them. */
const TIMINGS = { retry: 30 * MS, handoff: 150 * MS, election: 150 * MS, heartbeat: 50 * MS }
const VALUE = "v".repeat(1024)
const COPIES = 2

let names = 0

function puts(count: number): Operation[] {
  return Array.from({ length: count }, () => ({ type: "put", bucket: "last", key: `key-${names++}`, value: VALUE }))
}

/** Runs until all is answered, ten seconds at most: no request lives longer. */
function answered(store: BusyStore, answers: readonly { readonly ok: boolean }[], count: number): number {
  for (let turn = 0; turn < 1000 && answers.length < count; turn++) store.run(10 * MS)
  return answers.filter(({ ok }) => ok).length
}

const said = (store: BusyStore, name: string): number => store.said.get(name) ?? 0

describe("a burst of puts", () => {
  // As found live: of 2,048 puts of 1 KiB at once none was answered within ten seconds, and each was sent and copied four to nine times.
  it.each([
    { name: "from one requester", requesters: 1, cycles: 100, each: 512 },
    { name: "from four requesters at once", requesters: 4, cycles: 40, each: 512 },
    { name: "of a replica that needs a second for it", requesters: 1, cycles: 100, each: 2048 },
  ])("$name is done, each put about once", ({ requesters, cycles, each }) => {
    const store = new BusyStore({ cyclesPerItem: cycles, cyclesPerThousand: cycles, requesters, timings: TIMINGS })
    const lists = store.requesters.map((requester) => store.ask(puts(each), requester))
    const all = requesters * each
    for (const list of lists) expect(answered(store, list, each)).toBe(each)
    expect(said(store, "repeat")).toBeLessThan(all / 2)
    expect(said(store, "replicate write")).toBeLessThan(2 * COPIES * all)
    expect(said(store, "replicate hint")).toBe(0)
  })

  it("far above what the store can do leaves nothing behind: all is done, and what is asked then is done once", () => {
    const store = new BusyStore({ cyclesPerItem: 200, cyclesPerThousand: 200, timings: TIMINGS })
    expect(answered(store, store.ask(puts(2048)), 2048)).toBe(2048)
    store.run(5 * SECOND)
    const before = said(store, "repeat")
    const copies = said(store, "replicate write")
    expect(answered(store, store.ask(puts(64)), 64)).toBe(64)
    expect(said(store, "repeat")).toBe(before)
    expect(said(store, "replicate write") - copies).toBe(COPIES * 64)
  })

  it("goes to the others where the replica that has it falls silent", () => {
    const store = new BusyStore({ cyclesPerItem: 50, cyclesPerThousand: 50, timings: TIMINGS })
    const answers = store.ask(puts(512))
    store.run(20 * MS)
    expect(answers.length).toBeLessThan(512)
    store.silence(store.replicas[0] as ActorId)
    expect(answered(store, answers, 512)).toBe(512)
  })
})
