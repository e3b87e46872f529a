import { describe, expect, it } from "vitest"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Input, Restored } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type { Bucket } from "@backplane/kv-contract/bucket"
import type { KvAnswer, KvRequest, Operation } from "@backplane/kv-contract/client-messages"
import { WIRE_VERSION, WIRE_VERSION_FIRST } from "@backplane/kv-contract/forms"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { BATCH_ITEMS_MAX, KEY_LENGTH_MAX, REQUESTS_UNDER_WAY_MAX, VALUE_LENGTH_MAX } from "@backplane/kv-contract/limits"
import type { PeerItem } from "@backplane/kv-contract/peer-items"
import { partitionOf } from "@backplane/kv-replication/hash"
import { holdersOf, partitionMap } from "@backplane/kv-replication/partition-map"
import type { KvEffect } from "./outbox.ts"
import { DAMAGE_KEY } from "@backplane/kv-store/log-store"
import { ReplicaMachine } from "./replica.ts"

const IDS = [0, 1, 2, 3].map((index) => actorId(`kv-shard.${index}`))
const MAP = partitionMap(IDS.map((id) => ({ id, zone: "a" })))
const BUCKETS: readonly Bucket[] = [
  { name: "plain", policy: "siblings" },
  { name: "memory", policy: "lww", durability: "memory" },
  { name: "set", policy: "crdt", crdt: "or-set" },
  { name: "register", policy: "linear" },
]
const CLIENT = actorId("gateway.0")
const [A, B, C] = holdersOf(MAP, partitionOf("plain", "k")) as [ActorId, ActorId, ActorId]
const OUTSIDER = IDS.find((id) => ![A, B, C].includes(id)) as ActorId

function replica(
  id: ActorId,
  restored: Restored = new Map(),
): { machine: ReplicaMachine; step: (input: Input<KvMessage>, at?: number) => readonly KvEffect[] } {
  const machine = new ReplicaMachine({ id, map: MAP, buckets: BUCKETS, wall: (now) => 1_000_000 + now })
  machine.start(virtualTime(0), restored)
  return { machine, step: (input, at = 1000) => machine.step(virtualTime(at), input) }
}

const ask = (operation: Operation, sequence = 1, attempt = 0): Input<KvMessage> => ({
  kind: "message",
  from: CLIENT,
  body: { kind: "KvAsk", requests: [{ sequence, attempt, operation }] },
})
const put = (value: string, more: Partial<Extract<Operation, { type: "put" }>> = {}): Operation => ({
  type: "put",
  bucket: "plain",
  key: "k",
  value,
  ...more,
})
const peer = (from: ActorId, ...items: PeerItem[]): Input<KvMessage> => ({
  kind: "message",
  from,
  body: { kind: "KvPeer", epoch: 1, items },
})

/** Effects in short: `persist key`, `receiver: types of items`, `receiver: answer`, `set key`. */
function short(effects: readonly KvEffect[]): string[] {
  return effects.flatMap((effect) => {
    if (effect.kind === "persist") return [`persist ${effect.key}`]
    if (effect.kind === "timer") return [`set ${effect.key} ${effect.at}`]
    if (effect.kind !== "send") return []
    const { body } = effect
    if (body.kind === "KvPeer") return [`${effect.to}: ${body.items.map(({ type }) => type).join(" ")}`]
    if (body.kind === "KvTell")
      return [`${effect.to}: ${body.answers.map((answer) => (answer.ok ? `ok ${answer.values.join("|")}` : answer.reason)).join(" ")}`]
    return []
  })
}

function answers(effects: readonly KvEffect[]): KvAnswer[] {
  return effects.flatMap((effect) => (effect.kind === "send" && effect.body.kind === "KvTell" ? effect.body.answers : []))
}

function itemId(effects: readonly KvEffect[]): string {
  for (const effect of effects)
    if (effect.kind === "send" && effect.body.kind === "KvPeer") for (const item of effect.body.items) if ("id" in item) return item.id
  throw new Error("no item has an id")
}

describe("a replica that has too much to do", () => {
  it("refuses one request more as busy, at once and without a trace of it; answers again when there is room", () => {
    const { step } = replica(A)
    const keys = Array.from({ length: 2 * REQUESTS_UNDER_WAY_MAX }, (_, index) => `k${index}`)
    const many = keys
      .filter((key) => holdersOf(MAP, partitionOf("plain", key)).includes(A))
      .slice(0, REQUESTS_UNDER_WAY_MAX)
      .map((key, index) => ({ sequence: index + 1, attempt: 0, operation: { type: "put", bucket: "plain", key, value: "v" } as Operation }))
    for (let first = 0; first < many.length; first += BATCH_ITEMS_MAX)
      step({ kind: "message", from: CLIENT, body: { kind: "KvAsk", requests: many.slice(first, first + BATCH_ITEMS_MAX) } })
    const one = REQUESTS_UNDER_WAY_MAX + 1
    const effects = step(ask(put("one more"), one))
    expect(short(effects)).toEqual(["gateway.0: busy"])
    expect(answers(effects)[0]).toMatchObject({ ok: false, unknown: false })
    // Past the deadline all are given up.
    step({ kind: "timer", key: "retry" }, 2_000_000)
    expect(short(step(ask(put("one more"), one, 1), 2_000_001))[0]).toBe("persist k/plain/k")
  })
})

// Found by seed 6: nothing lay in the partition, so nothing was dropped, and the replica stayed unsure of it for ever.
describe("a replica that lost data", () => {
  const told = (effects: readonly KvEffect[]): unknown[] =>
    effects.flatMap((effect) =>
      effect.kind === "event" && /damaged|mended/.test(effect.name) ? [[effect.name, effect.level, effect.fields]] : [],
    )

  // A disk that fails was made good by the others, and nobody who could replace it heard of it.
  it("says so, and when it is made good; a torn end is what a loss of power leaves", () => {
    const begun = (...what: string[]): unknown[] => {
      const damage = what.map((each) => ({ segment: 0, offset: 0, bytes: 1, what: each }))
      const machine = new ReplicaMachine({ id: A, map: MAP, buckets: BUCKETS })
      return told(machine.start(virtualTime(0), new Map<string, Json>([[DAMAGE_KEY, damage]])))
    }
    const fields = (count: number, reason: string): object => ({ shard: A, count, reason })
    expect(begun("unreadable", "torn end")).toEqual([["kv.damaged", "warn", fields(2, "unreadable, torn end")]])
    expect(begun("torn end")).toEqual([["kv.damaged", "info", fields(1, "torn end")]])
    expect(told(new ReplicaMachine({ id: A, map: MAP, buckets: BUCKETS }).start(virtualTime(0), new Map()))).toEqual([])
  })

  it("is unsure no more of a partition that it gives up, be it empty", () => {
    const { machine, step } = replica(A, new Map<string, Json>([[DAMAGE_KEY, [{ segment: 0, offset: 0, bytes: 1, what: "unreadable" }]]]))
    const before = machine.view.config
    const others = IDS.filter((id) => id !== A)
    const holders = before.holders.map(() => [...others])
    expect(machine.view.unsure.size).toBeGreaterThan(0)
    const changed = before.changed.map(() => 2)
    step(peer(B, { type: "config-tell", config: { ...before, epoch: 2, holders, changed } }))
    const last = step({ kind: "timer", key: "move" }, 10_000_000)
    expect(machine.view.unsure.size).toBe(0)
    expect(told(last)).toEqual([["kv.mended", "info", { shard: A }]])
  })
})

describe("a peer that is known to be gone", () => {
  it("a read that waits for it asks the others at once; nobody else's read does", () => {
    const a = replica(A)
    const asked = a
      .step(ask({ type: "get", bucket: "plain", key: "k" }))
      .flatMap((effect) => (effect.kind === "send" && effect.body.kind === "KvPeer" ? [effect.to] : []))
    expect(asked).toHaveLength(1)
    const [waitedFor] = asked as [ActorId]
    const other = waitedFor === B ? C : B
    expect(short(a.step({ kind: "message", from: other, body: { kind: "KvGone" } }))).toEqual([])
    expect(short(a.step({ kind: "message", from: waitedFor, body: { kind: "KvGone" } }))).toContain(`${other}: fetch`)
  })
})

describe("a write", () => {
  it("goes to the own disk and to the others at once, and is answered when W have it on disk: four messages", () => {
    const a = replica(A)
    const sent = a.step(ask(put("v")))
    expect(short(sent)).toEqual(["persist k/plain/k", "set retry 51000", `${B}: replicate`, `${C}: replicate`])
    expect(short(a.step({ kind: "persisted", key: "k/plain/k" }))).toEqual([])
    const b = replica(B)
    const [replicate] = sent.flatMap((effect) =>
      effect.kind === "send" && effect.to === B && effect.body.kind === "KvPeer" ? effect.body.items : [],
    )
    expect(short(b.step(peer(A, replicate as PeerItem)))).toEqual(["persist k/plain/k"])
    expect(short(b.step({ kind: "persisted", key: "k/plain/k" }))).toEqual([`${A}: replicated`])
    expect(short(a.step(peer(B, { type: "replicated", id: itemId(sent), ok: true })))).toEqual([`${CLIENT}: ok v`])
  })

  it("is answered when W others have it on disk, be the own disk slow; one of them and no more is not enough", () => {
    const a = replica(A)
    const sent = a.step(ask(put("v")))
    expect(short(a.step(peer(B, { type: "replicated", id: itemId(sent), ok: true })))).toEqual([])
    expect(short(a.step(peer(C, { type: "replicated", id: itemId(sent), ok: true })))).toEqual([`${CLIENT}: ok v`])
    expect(short(a.step({ kind: "persisted", key: "k/plain/k" }))).toEqual([])
  })

  it("that is repeated gets the stored answer and changes nothing", () => {
    const a = replica(A)
    const sent = a.step(ask(put("v")))
    expect(short(a.step(ask(put("v"), 1, 1)))).toEqual([])
    a.step({ kind: "persisted", key: "k/plain/k" })
    a.step(peer(B, { type: "replicated", id: itemId(sent), ok: true }))
    expect(short(a.step(ask(put("v"), 1, 2)))).toEqual([`${CLIENT}: ok v`])
  })

  it("that is repeated after a restart is found on disk and not done twice", () => {
    const a = replica(A)
    const [persisted] = a.step(ask(put("v"))).filter((effect) => effect.kind === "persist")
    const again = replica(A, new Map([["k/plain/k", persisted?.kind === "persist" ? persisted.value : null]]))
    again.step(ask(put("v"), 1, 1))
    expect(again.machine.view.table.record({ bucket: "plain", key: "k" })?.state.versions.length).toBe(1)
  })

  it("at a replica without a copy is forwarded, with the requester's address", () => {
    const effects = replica(OUTSIDER).step(ask(put("v")))
    expect(effects).toMatchObject([{ kind: "send", body: { kind: "KvPeer", epoch: 1, items: [{ type: "forward", requester: CLIENT }] } }])
  })

  it("that is repeated is forwarded with its age, but not to who may refuse what the first version did not have", () => {
    const repeat: Input<KvMessage> = {
      kind: "message",
      from: CLIENT,
      body: { kind: "KvAsk", requests: [{ sequence: 1, attempt: 1, age: 700_000, operation: put("v") }] },
    }
    for (const [storeVersion, age] of [
      [WIRE_VERSION_FIRST, undefined],
      [WIRE_VERSION, 700_000],
    ]) {
      const machine = new ReplicaMachine({ id: OUTSIDER, map: MAP, buckets: BUCKETS, storeVersion: storeVersion as number })
      machine.start(virtualTime(0), new Map())
      const [forwarded] = machine.step(virtualTime(1000), repeat)
      expect(forwarded).toMatchObject({ kind: "send", body: { items: [{ type: "forward", request: { sequence: 1, attempt: 1 } }] } })
      expect((forwarded as { body: { items: { request: KvRequest }[] } }).body.items[0]?.request.age).toBe(age)
    }
  })

  it("that finds no quorum is refused as unknown at the deadline, and is handed to the shelf", () => {
    const a = replica(A)
    a.step(ask(put("v")))
    a.step({ kind: "persisted", key: "k/plain/k" })
    expect(short(a.step({ kind: "timer", key: "retry" }, 120_000))).toContain(`persist h/${B}/plain/k`)
    const refused = answers(a.step({ kind: "timer", key: "retry" }, 1_100_000))
    expect(refused).toMatchObject([{ ok: false, reason: "quorum-not-met", unknown: true }])
  })

  it("into a bucket in memory waits for no disk", () => {
    const [holder] = holdersOf(MAP, partitionOf("memory", "k")) as [ActorId]
    const effects = replica(holder).step(ask({ type: "put", bucket: "memory", key: "k", value: "v" }))
    expect(effects.filter(({ kind }) => kind === "persist")).toEqual([])
    expect(short(effects).filter((line) => line.endsWith("replicate")).length).toBe(2)
  })
})

describe("a read", () => {
  it("waits for what is on its way to the disk, and repairs who is behind", () => {
    const a = replica(A)
    a.step(ask(put("v")))
    const asked = a.step(ask({ type: "get", bucket: "plain", key: "k" }, 2))
    // One other is enough for R = 2.
    expect(short(asked)).toEqual(["set hedge 21000", `${B}: fetch`])
    const id = itemId(asked)
    const empty = { type: "fetched" as const, id, state: { context: {}, versions: [] }, unsure: false }
    expect(short(a.step(peer(B, empty)))).toEqual([])
    const ready = short(a.step({ kind: "persisted", key: "k/plain/k" }))
    expect(ready).toContain(`${CLIENT}: ok v`)
    expect(ready).toContain(`${B}: replicate`)
  })

  it("of a key that is written all the time shows what was there when it came, and waits for no later write", () => {
    const a = replica(A)
    const empty = { type: "fetched" as const, state: { context: {}, versions: [] }, unsure: false }
    const read = (sequence: number): string => itemId(a.step(ask({ type: "get", bucket: "plain", key: "k" }, sequence)))
    a.step(ask(put("early"), 1))
    a.step(peer(B, { ...empty, id: read(2) }))
    a.step(ask(put("late"), 3))
    a.step(peer(B, { ...empty, id: read(4) }))
    expect(short(a.step({ kind: "persisted", key: "k/plain/k" }))).toContain(`${CLIENT}: ok early`)
    expect(short(a.step({ kind: "persisted", key: "k/plain/k" }))).toContain(`${CLIENT}: ok early|late`)
  })

  it("of another replica that comes while the key is written is answered as the key was then", () => {
    const a = replica(A)
    const fetch = (id: string): Input<KvMessage> => peer(B, { type: "fetch", id, bucket: "plain", key: "k" })
    const values = (effects: readonly KvEffect[]): unknown =>
      effects.flatMap((effect) =>
        effect.kind === "send" && effect.body.kind === "KvPeer"
          ? effect.body.items.flatMap((item) => (item.type === "fetched" ? [item.state?.versions.map(({ value }) => value)] : []))
          : [],
      )
    a.step(ask(put("early"), 1))
    a.step(fetch("1"))
    a.step(ask(put("late"), 2))
    expect(values(a.step({ kind: "persisted", key: "k/plain/k" }))).toEqual([["early"]])
  })

  it("that asks again names the state that it shows, though more was written meanwhile: who has that more would stand for the old one", () => {
    const a = replica(A)
    const questions = (effects: readonly KvEffect[]): { to: ActorId; hash: string | undefined }[] =>
      effects.flatMap((effect) =>
        effect.kind === "send" && effect.body.kind === "KvPeer"
          ? effect.body.items.flatMap((item) => (item.type === "fetch" ? [{ to: effect.to, hash: item.hash }] : []))
          : [],
      )
    a.step(ask(put("early"), 1))
    a.step({ kind: "persisted", key: "k/plain/k" })
    const [first] = questions(a.step(ask({ type: "get", bucket: "plain", key: "k" }, 2)))
    expect(first?.hash).toEqual(expect.any(String))
    a.step(ask(put("late"), 3))
    const again = questions(a.step({ kind: "message", from: first?.to as ActorId, body: { kind: "KvGone" } }))
    expect(again.map(({ hash }) => hash)).toEqual([first?.hash, first?.hash])
  })

  it("that takes longer than most asks one more, who did not have to be asked", () => {
    const a = replica(A)
    expect(short(a.step(ask({ type: "get", bucket: "plain", key: "k" })))).toContain(`${B}: fetch`)
    expect(short(a.step({ kind: "timer", key: "hedge" }, 21_000))).toEqual(["set hedge 41000"])
    expect(short(a.step({ kind: "timer", key: "hedge" }, 500_000))).toEqual([`${C}: fetch`])
  })

  it("asks who has just begun to speak again after who answered all the time", () => {
    const a = replica(A)
    const asked = (sequence: number, at: number): string | undefined =>
      short(a.step(ask({ type: "get", bucket: "plain", key: "k" }, sequence), at)).find((line) => line.endsWith("fetch"))
    a.step({ kind: "message", from: B, body: { kind: "KvGone" } })
    for (let index = 0; index < 4; index++) expect(asked(index + 1, 1000 + index)).toBe(`${C}: fetch`)
    a.step(peer(B), 10_000)
    for (let index = 4; index < 8; index++) expect(asked(index + 1, 10_000 + index)).toBe(`${C}: fetch`)
    a.step(peer(B), 1_010_000)
    expect(new Set([asked(9, 1_010_000), asked(10, 1_010_001)])).toEqual(new Set([`${B}: fetch`, `${C}: fetch`]))
  })

  it("does not count a replica that lost data", () => {
    const damaged = replica(A, new Map([["!damage", []]]))
    const other = { type: "fetched" as const, state: { context: {}, versions: [] } }
    const id = itemId(damaged.step(ask({ type: "get", bucket: "plain", key: "k" })))
    expect(short(damaged.step(peer(B, { ...other, id, unsure: false })))).toEqual([])
    expect(short(damaged.step(peer(C, { ...other, id, unsure: false })))).toEqual([`${CLIENT}: ok `])
  })

  it("with a token waits for a state that covers what the session saw", () => {
    const a = replica(A)
    const session: [string, string, Record<string, number>][] = [["plain", "k", { w: 7 }]]
    const id = itemId(a.step(ask({ type: "get", bucket: "plain", key: "k", session })))
    expect(short(a.step(peer(B, { type: "fetched", id, state: { context: {}, versions: [] }, unsure: false })))).toEqual([])
    const seen = { context: { w: 7 }, versions: [{ dot: ["w", 7] as [string, number], value: "x" }] }
    expect(short(a.step(peer(C, { type: "fetched", id, state: seen, unsure: false })))).toContain(`${CLIENT}: ok x`)
  })
})

describe("a write that meets a version its coordinator did not know", () => {
  it("is joined, and the join goes to all holders in a trace of its own", () => {
    const b = replica(B)
    const write = (from: ActorId, writer: string, time: number): Input<KvMessage> => {
      const state = { context: { [writer]: time }, versions: [{ dot: [writer, time] as [string, number], value: writer }] }
      return peer(from, { type: "replicate", id: writer, bucket: "plain", key: "k", state, reason: "write" })
    }
    b.step(write(A, "a@1", 5))
    b.step({ kind: "persisted", key: "k/plain/k" })
    const effects = b.step(write(C, "c@1", 6))
    expect(
      effects.filter(({ kind }) => kind === "span").map((span) => (span.kind === "span" && span.op === "open" ? span.name : "")),
    ).toContain("kv.reconcile write-repair")
    expect(short(effects)).toEqual(["persist k/plain/k", `${A}: replicate`, `${C}: replicate`])
    expect(b.machine.view.table.record({ bucket: "plain", key: "k" })?.state.versions.length).toBe(2)
  })
})

describe("a deletion that a certificate has let go", () => {
  // Found by a seed: the second copy of the message was acknowledged while neither the deletion nor the cut was on disk.
  it("is acknowledged only when the certified cut is on disk", () => {
    const b = replica(B)
    const partition = partitionOf("plain", "k")
    const state = { context: { "a@1": 5 }, versions: [{ dot: ["a@1", 5] as [string, number], value: null }] }
    const replicate = peer(A, { type: "replicate", id: "w", bucket: "plain", key: "k", state, reason: "write" })
    b.step(replicate)
    const voted = b.step(peer(A, { type: "certificate-ask", partition, round: "1" }))
    const [vote] = voted.flatMap((effect) => (effect.kind === "send" && effect.body.kind === "KvPeer" ? effect.body.items : []))
    const root = vote?.type === "certificate-vote" ? vote.root : ""
    b.step(peer(A, { type: "certified", partition, round: "1", root, cut: { "a@1": 5 }, at: 1000 }))
    expect(b.machine.view.table.record({ bucket: "plain", key: "k" })).toBeUndefined()
    expect(short(b.step(replicate))).toEqual([])
    b.step({ kind: "persisted", key: "k/plain/k" })
    b.step({ kind: "persisted", key: `c/${partition}` })
    expect(short(b.step({ kind: "persisted", key: "k/plain/k" }))).toEqual([`${A}: replicated`])
  })
})

describe("bad input", () => {
  const far = { w: 1e15 }
  it.each<[string, Operation, string, string | undefined]>([
    ["unknown bucket", { type: "get", bucket: "none", key: "k" }, "unknown-bucket", "bucket"],
    ["empty key", { type: "get", bucket: "plain", key: "" }, "key-too-long", "key"],
    ["long key", { type: "get", bucket: "plain", key: "k".repeat(KEY_LENGTH_MAX + 1) }, "key-too-long", "key"],
    ["large value", put("v".repeat(VALUE_LENGTH_MAX + 1)), "value-too-large", "value"],
    ["context from the future", put("v", { context: far }), "bad-context", "context"],
    ["token from the future", put("v", { session: [["plain", "k", far]] }), "bad-context", "context"],
    ["more replicas than there are", put("v", { w: 4 }), "bad-quorum", "w"],
    ["no operation of the bucket", { type: "cas", bucket: "plain", key: "k", expect: null, value: "v" }, "wrong-operation", "type"],
    ["no operation of the register", { type: "put", bucket: "register", key: "k", value: "v" }, "wrong-operation", "type"],
  ])("%s is refused by its field, with a remedy", (_what, operation, reason, field) => {
    const effects = replica(A).step(ask(operation))
    expect(answers(effects)).toMatchObject([{ ok: false, reason, field, unknown: false, remedy: expect.stringMatching(/\w+/) as string }])
    expect(effects.filter(({ kind }) => kind === "persist")).toEqual([])
  })

  it("no operation of the data type is refused, and the sequence may be used again", () => {
    const [holder] = holdersOf(MAP, partitionOf("set", "k")) as [ActorId]
    const machine = replica(holder)
    const update = (operation: Extract<Operation, { type: "update" }>["operation"]): Operation => ({
      type: "update",
      bucket: "set",
      key: "k",
      operation,
    })
    expect(answers(machine.step(ask(update({ op: "nonsense" }))))).toMatchObject([
      { ok: false, reason: "bad-operation", field: "operation" },
    ])
    expect(short(machine.step(ask(update({ op: "add", element: "x" }), 1, 1)))).toContain("persist k/set/k")
  })
})

describe("equal replicas", () => {
  it("need one exchange to know it", () => {
    const [a, b] = [replica(A), replica(B)]
    let question: readonly KvEffect[] = []
    for (let round = 1; round <= 4 && !short(question).some((line) => line.startsWith(B)); round++)
      question = a.step({ kind: "timer", key: "sync" }, round * 1_000_000)
    const roots = question.flatMap((effect) => (effect.kind === "send" && effect.body.kind === "KvPeer" ? effect.body.items : []))
    expect(short(b.step(peer(A, ...roots)))).toEqual([`${A}: sync-roots`])
  })
})
