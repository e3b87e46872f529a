import { describe, expect, it } from "vitest"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Input } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { WIRE_VERSION } from "@backplane/kv-contract/forms"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import type { PeerItem, PeerItemOf } from "@backplane/kv-contract/peer-items"
import type { KeyState } from "@backplane/kv-contract/versions"
import { partitionOf } from "@backplane/kv-replication/hash"
import { holdersOf, partitionMap } from "@backplane/kv-replication/partition-map"
import type { KvEffect } from "./outbox.ts"
import { ReplicaMachine } from "./replica.ts"

const IDS = [0, 1, 2].map((index) => actorId(`kv-shard.${index}`))
const MAP = partitionMap(IDS.map((id) => ({ id, zone: "a" })))
const CLIENT = actorId("gateway.0")
const K = { bucket: "plain", key: "k" }
const [A, B, C] = holdersOf(MAP, partitionOf("plain", "k")) as [ActorId, ActorId, ActorId]

/** Eight requests of the key, of which one value is left; all are later than 1000. */
const NOW_KNOWN: KeyState = {
  context: { b: 5008 },
  versions: [{ dot: ["b", 5008], value: "present" }],
  done: Array.from({ length: 8 }, (_, index) => `${5001 + index} b 0 ${index + 1} other`),
}
/** What was there long before, and a version beside it. */
const OLD: KeyState = { context: { c: 900 }, versions: [{ dot: ["c", 900], value: "old" }], done: ["900 c 0 7 gateway.0"] }
const KNOWS_BOTH: KeyState = { context: { b: 5008, c: 900 }, versions: NOW_KNOWN.versions }

function replica(storeVersion = WIRE_VERSION): {
  readonly step: (input: Input<KvMessage>, at?: number) => readonly KvEffect[]
  readonly values: () => unknown
} {
  const restored = new Map([["k/plain/k", { state: NOW_KNOWN as never }]])
  const buckets = [{ name: "plain", policy: "siblings" as const }]
  const machine = new ReplicaMachine({ id: A, map: MAP, buckets, storeVersion, wall: (now) => 1_000_000 + now })
  machine.start(virtualTime(0), restored)
  const values = (): unknown => machine.view.table.record(K)?.state.versions.map(({ value }) => value)
  return { step: (input, at = 1000) => machine.step(virtualTime(at), input), values }
}

const peer = (from: ActorId, ...items: PeerItem[]): Input<KvMessage> => ({
  kind: "message",
  from,
  body: { kind: "KvPeer", epoch: 1, items },
})
const replicate = (state: KeyState = OLD): PeerItem => ({ type: "replicate", id: "r", ...K, state, reason: "write" })
const fetched = (id: string, state: KeyState, more: Partial<PeerItemOf<"fetched">> = {}): PeerItem => ({
  type: "fetched",
  id,
  state,
  unsure: false,
  ...more,
})

function items(effects: readonly KvEffect[]): { readonly to: ActorId; readonly item: PeerItem }[] {
  return effects.flatMap((effect) =>
    effect.kind === "send" && effect.body.kind === "KvPeer" ? effect.body.items.map((item) => ({ to: effect.to, item })) : [],
  )
}

const said = (effects: readonly KvEffect[]): string[] => items(effects).map(({ to, item }) => `${to}: ${item.type}`)
const questionId = (effects: readonly KvEffect[]): string =>
  items(effects).flatMap(({ item }) => (item.type === "fetch" ? [item.id] : []))[0] ?? ""
const onDisk: Input<KvMessage> = { kind: "persisted", key: "k/plain/k" }

describe("a version that is news, and older than all that is remembered", () => {
  it("is asked about, and not acknowledged before that is answered", () => {
    const a = replica()
    expect(said(a.step(peer(C, replicate())))).toEqual([`${B}: fetch`, `${C}: fetch`].toSorted())
    expect(a.values()).toEqual(["present"])
  })

  it("is refused where its sender alone has it: who has it is told, and the acknowledgement says so", () => {
    const a = replica()
    const id = questionId(a.step(peer(C, replicate())))
    a.step(peer(B, fetched(id, NOW_KNOWN)))
    const effects = a.step(peer(C, fetched(id, OLD)))
    expect(a.values()).toEqual(["present"])
    const spans = effects.flatMap((effect) =>
      effect.kind === "span" && effect.op === "open" ? [[effect.name, effect.attributes?.["backplane.replicas"]]] : [],
    )
    expect(spans).toEqual([["kv.reconcile refusal", C]])
    const repairs = items(effects).flatMap(({ to, item }) =>
      item.type === "replicate" ? [{ to, reason: item.reason, state: item.state }] : [],
    )
    expect(repairs).toEqual([{ to: C, reason: "write-repair", state: { ...NOW_KNOWN, context: { b: 5008, c: 900 } } }])
    const acknowledged = items([...a.step(onDisk), ...a.step(onDisk)]).map(({ item }) => item)
    expect(acknowledged).toEqual([{ type: "replicated", id: "r", ok: true, refused: [["c", 900]] }])
  })

  it("is told dead from then on to whoever brings it, though nobody asks about it any more", () => {
    const a = replica()
    const id = questionId(a.step(peer(C, replicate())))
    a.step(peer(B, fetched(id, NOW_KNOWN)))
    a.step(peer(C, fetched(id, OLD)))
    while (a.step(onDisk).length > 0);
    const again = items(a.step(peer(C, replicate()))).map(({ item }) => item)
    expect(again).toEqual([{ type: "replicated", id: "r", ok: true, refused: [["c", 900]] }])
  })

  it("is acknowledged as any other where its request is remembered, though it was replaced", () => {
    const a = replica()
    const replaced: KeyState = { ...NOW_KNOWN, versions: [{ dot: ["b", 5003], value: "replaced" }], context: { b: 5003 } }
    expect(items(a.step(peer(C, replicate(replaced)))).map(({ item }) => item)).toEqual([{ type: "replicated", id: "r", ok: true }])
  })

  // Seed 38: who does not know the field refuses the message, and a hint stayed on its shelf for ever.
  it("is told dead to nobody while a member may not know what that is", () => {
    const a = replica(WIRE_VERSION - 1)
    const dead: KeyState = { ...OLD, context: { b: 4000 }, versions: [{ dot: ["b", 4000], value: "dead" }] }
    expect(items(a.step(peer(C, replicate(dead)))).map(({ item }) => item)).toEqual([{ type: "replicated", id: "r", ok: true }])
  })

  it("takes what came with it over all the same", () => {
    const a = replica()
    const both = { context: { c: 9000 }, versions: [...OLD.versions, { dot: ["c", 9000] as [string, number], value: "new" }] }
    const id = questionId(a.step(peer(C, replicate(both))))
    a.step(peer(B, fetched(id, NOW_KNOWN)))
    a.step(peer(C, fetched(id, both)))
    expect(a.values()).toEqual(["present", "new"])
  })

  it.each([
    ["a second one knows of it", fetched("", KNOWS_BOTH)],
    ["another may have lost it", fetched("", NOW_KNOWN, { unsure: true })],
  ])("is taken over where %s", (_why, answer) => {
    const a = replica()
    const id = questionId(a.step(peer(C, replicate())))
    a.step(peer(B, { ...answer, id } as PeerItem))
    a.step(peer(C, fetched(id, OLD)))
    expect(a.values()).toEqual(["old", "present"])
  })

  it("is taken over where its sender alone promised it", () => {
    const a = replica()
    const id = questionId(a.step(peer(C, replicate())))
    a.step(peer(B, fetched(id, NOW_KNOWN)))
    a.step(peer(C, fetched(id, OLD, { weak: true })))
    expect(a.values()).toEqual(["old", "present"])
  })

  it("is taken over at the deadline where another holder is silent, and dropped where its sender is", () => {
    const [silent, gone] = [replica(), replica()]
    const first = questionId(silent.step(peer(C, replicate())))
    silent.step(peer(C, fetched(first, OLD)))
    silent.step({ kind: "timer", key: "retry" }, 1_001_000)
    expect(silent.values()).toEqual(["old", "present"])
    const second = questionId(gone.step(peer(C, replicate())))
    gone.step(peer(B, fetched(second, NOW_KNOWN)))
    expect(said(gone.step({ kind: "timer", key: "retry" }, 1_001_000))).toEqual([])
    expect(gone.values()).toEqual(["present"])
  })

  it("is asked about again while nobody answers", () => {
    const a = replica()
    a.step(peer(C, replicate()))
    expect(said(a.step({ kind: "timer", key: "retry" }, 60_000)).toSorted()).toEqual([`${B}: fetch`, `${C}: fetch`].toSorted())
  })
})

describe("a write whose coordinator was away while others did and forgot more than a key remembers", () => {
  const put = (more: object = {}): Input<KvMessage> => ({
    kind: "message",
    from: CLIENT,
    body: { kind: "KvAsk", requests: [{ sequence: 1, attempt: 0, operation: { type: "put", ...K, value: "mine" }, ...more }] },
  })
  const told = (effects: readonly KvEffect[]): unknown[] =>
    effects.flatMap((effect) =>
      effect.kind === "send" && effect.body.kind === "KvTell"
        ? effect.body.answers.map((answer) => (answer.ok ? "done" : [answer.reason, answer.unknown]))
        : [],
    )

  it("is not answered as done by who refuses it, and its outcome is unknown", () => {
    const a = replica()
    const [sent] = items(a.step(put()))
    a.step(onDisk)
    const { id, state } = sent?.item as PeerItemOf<"replicate">
    const dot = state.versions.find(({ value }) => value === "mine")?.dot as [string, number]
    const refused = { type: "replicated", id, ok: true, refused: [dot] } as PeerItem
    expect(told(a.step(peer(B, refused)))).toEqual([["forgotten", true]])
    expect(told(a.step(peer(C, { type: "replicated", id, ok: true })))).toEqual([])
  })

  it("counts the acknowledgement of who refused another version that came with it", () => {
    const a = replica()
    const [sent] = items(a.step(put()))
    a.step(onDisk)
    const refused = { type: "replicated", id: (sent?.item as PeerItemOf<"replicate">).id, ok: true, refused: [["c", 900]] } as PeerItem
    expect(told(a.step(peer(B, refused)))).toEqual(["done"])
  })

  it("is not done for a repeat that may have been done and forgotten, and done for one that is young enough", () => {
    // The eight that are remembered were made at 5001 to 5008 by the wall clock, which stands at 1,001,000.
    const [old, young] = [replica(), replica()]
    expect(told(old.step(put({ attempt: 1, age: 996_000 })))).toEqual([["forgotten", true]])
    expect(old.values()).toEqual(["present"])
    expect(told(young.step(put({ attempt: 1, age: 995_000 })))).toEqual([])
    expect(young.values()).toEqual(["present", "mine"])
  })
})

describe("a read that meets such a version", () => {
  const get: Input<KvMessage> = {
    kind: "message",
    from: CLIENT,
    body: { kind: "KvAsk", requests: [{ sequence: 1, attempt: 0, operation: { type: "get", ...K, r: 2 } }] },
  }
  const answers = (effects: readonly KvEffect[]): unknown[] =>
    effects.flatMap((effect) =>
      effect.kind === "send" && effect.body.kind === "KvTell"
        ? effect.body.answers.map((answer) => (answer.ok ? answer.values : answer.reason))
        : [],
    )

  /** One of the others was asked; it has the old one. */
  function inDoubt(): {
    readonly a: ReturnType<typeof replica>
    readonly id: string
    readonly other: ActorId
    readonly effects: readonly KvEffect[]
  } {
    const a = replica()
    const [first] = items(a.step(get))
    const id = first?.item.type === "fetch" ? first.item.id : ""
    const other = first?.to === B ? C : B
    return { a, id, other, effects: a.step(peer(first?.to as ActorId, fetched(id, OLD))) }
  }

  it("asks all, does not show what one alone has, and counts it as seen everywhere", () => {
    const { a, id, other, effects } = inDoubt()
    expect(answers(effects)).toEqual([])
    expect(said(effects)).toEqual([`${other}: fetch`])
    const end = a.step(peer(other, fetched(id, NOW_KNOWN)))
    expect(answers(end)).toEqual([["present"]])
    const repairs = items(end).map(({ item }) => item)
    expect(repairs.map((item) => (item.type === "replicate" ? item.state.context : null))).toEqual([
      { b: 5008, c: 900 },
      { b: 5008, c: 900 },
    ])
  })

  it("shows what two have", () => {
    const { a, id, other } = inDoubt()
    expect(answers(a.step(peer(other, fetched(id, OLD))))).toEqual([["old", "present"]])
  })

  it("shows it after a while where one does not answer", () => {
    const { a } = inDoubt()
    expect(answers(a.step({ kind: "timer", key: "retry" }, 400_000))).toEqual([])
    expect(answers(a.step({ kind: "timer", key: "retry" }, 600_000))).toEqual([["old", "present"]])
  })
})
