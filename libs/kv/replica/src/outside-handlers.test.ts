/** A bucket whose handler is a service: what the replica asks, when, and what it does with the answer. */
import { describe, expect, it } from "vitest"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import type { Input, Restored } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KvReconcile } from "@backplane/kv-contract/handler-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { VECTOR_ENTRIES_MAX } from "@backplane/kv-contract/limits"
import type { Dot, KeyState } from "@backplane/kv-contract/versions"
import { partitionOf } from "@backplane/kv-replication/hash"
import { holdersOf, partitionMap } from "@backplane/kv-replication/partition-map"
import { shownVersions } from "@backplane/kv-versioning/key-state"
import type { KvEffect } from "./outbox.ts"
import { ReplicaMachine } from "./replica.ts"

const IDS = [0, 1, 2].map((index) => actorId(`kv-shard.${index}`))
const MAP = partitionMap(IDS.map((id) => ({ id, zone: "a" })))
const [FIRST, SECOND] = holdersOf(MAP, partitionOf("merged", "k")) as [ActorId, ActorId, ActorId]
const HANDLER = actorId("handler.sum")
const SECOND_ASKS = 600_000

class Trial {
  readonly machine: ReplicaMachine
  at = 1000

  constructor(id: ActorId, disk: Restored = new Map()) {
    this.machine = new ReplicaMachine({ id, map: MAP, buckets: [{ name: "merged", policy: "handler", handler: "service:sum" }] })
    this.machine.start(virtualTime(0), disk)
  }

  /** One input, and the notices of the disk that follow. */
  step(input: Input<KvMessage>): KvEffect[] {
    const effects = [...this.machine.step(virtualTime(this.at), input)]
    for (const effect of effects) if (effect.kind === "persist") effects.push(...this.step({ kind: "persisted", key: effect.key }))
    return effects
  }

  look(later: number): KvReconcile[] {
    this.at += later
    return asked(this.step({ kind: "timer", key: "handler" }))
  }

  /** What another holder sends. */
  copy(state: KeyState): KvEffect[] {
    const item = { type: "replicate", id: "x/1", bucket: "merged", key: "k", state, reason: "write" } as const
    const from = this.machine.view.id === FIRST ? SECOND : FIRST
    return this.step({ kind: "message", from, body: { kind: "KvPeer", epoch: 1, items: [item] } })
  }

  siblings(): void {
    this.copy({ context: { "a@1.1": 5 }, versions: [{ dot: ["a@1.1", 5], value: "3" }] })
    this.copy({ context: { "b@1.1": 6 }, versions: [{ dot: ["b@1.1", 6], value: "4" }] })
  }

  told(from: ActorId, id: string, value: string | null): KvEffect[] {
    return this.step({ kind: "message", from, body: { kind: "KvReconciled", id, value } })
  }

  get state(): KeyState {
    return this.machine.view.table.stateOf({ bucket: "merged", key: "k" })
  }

  get values(): readonly (string | null)[] {
    return this.state.versions.map(({ value }) => value)
  }
}

function asked(effects: readonly KvEffect[]): KvReconcile[] {
  return effects.flatMap((effect) => (effect.kind === "send" && effect.to === HANDLER ? [effect.body as KvReconcile] : []))
}

describe("a handler outside the store", () => {
  it("is asked by the first holder at once, by the next one only later, and not at all where one value is left by then", () => {
    const first = new Trial(FIRST)
    first.siblings()
    expect(first.look(20_000)).toMatchObject([{ kind: "KvReconcile", bucket: "merged", key: "k", values: ["3", "4"] }])
    const second = new Trial(SECOND)
    second.siblings()
    expect(second.look(20_000)).toEqual([])
    expect(second.look(SECOND_ASKS)).toHaveLength(1)
    const third = new Trial(SECOND)
    third.siblings()
    third.copy({ context: { "a@1.1": 5, "b@1.1": 6, "c@1.1": 7 }, versions: [{ dot: ["c@1.1", 7], value: "7" }] })
    expect(third.look(SECOND_ASKS)).toEqual([])
  })

  it("its answer is a trace that names rule, siblings, bytes and the replicas that get it", () => {
    const trial = new Trial(FIRST)
    trial.siblings()
    const [question] = trial.look(20_000)
    const spans = trial
      .told(HANDLER, question?.id ?? "", "7")
      .flatMap((effect) => (effect.kind === "span" && effect.op === "open" ? [effect] : []))
    const reconciled = spans.find(({ name }) => name === "kv.reconcile handler")
    expect(reconciled?.attributes).toMatchObject({ "backplane.key": "merged/k", "backplane.siblings": 2, "backplane.bytes": 2 })
    expect(String(reconciled?.attributes?.["backplane.replicas"]).split(" ").sort()).toEqual([...IDS].sort())
    expect(reconciled?.attributes?.["backplane.rule"]).toContain("handler")
  })

  it("its answer replaces what it was told, and goes to the other holders as any write", () => {
    const trial = new Trial(FIRST)
    trial.siblings()
    const [question] = trial.look(20_000)
    const effects = trial.told(HANDLER, question?.id ?? "", "7")
    expect(trial.values).toEqual(["7"])
    const copies = effects.filter((effect) => effect.kind === "send" && effect.body.kind === "KvPeer")
    expect(copies.map((effect) => (effect.kind === "send" ? effect.to : null)).sort()).toEqual(IDS.filter((id) => id !== FIRST))
    expect(trial.look(5_000_000)).toEqual([])
  })

  it("a value that came while it thought stays beside its answer, and both are asked about again", () => {
    const trial = new Trial(FIRST)
    trial.siblings()
    const [question] = trial.look(20_000)
    trial.copy({ context: { "c@1.1": 8 }, versions: [{ dot: ["c@1.1", 8], value: "10" }] })
    trial.told(HANDLER, question?.id ?? "", "7")
    expect([...trial.values].sort()).toEqual(["10", "7"])
    expect(trial.look(20_000)).toMatchObject([{ values: ["10", "7"] }])
  })

  it("null deletes the key", () => {
    const trial = new Trial(FIRST)
    trial.siblings()
    trial.told(HANDLER, trial.look(20_000)[0]?.id ?? "", null)
    expect(trial.values).toEqual([null])
  })

  it("nobody else's answer counts, nor a second one, and one that does not come is asked for again under another id", () => {
    const trial = new Trial(FIRST)
    trial.siblings()
    const [question] = trial.look(20_000)
    trial.told(actorId("handler.other"), question?.id ?? "", "0")
    trial.told(HANDLER, "made up", "0")
    expect(trial.values).toEqual(["3", "4"])
    expect(trial.look(500_000)).toEqual([])
    const [again] = trial.look(600_000)
    expect(again?.id).not.toBe(question?.id)
    trial.told(HANDLER, question?.id ?? "", "0")
    expect(trial.values).toEqual(["3", "4"])
    trial.told(HANDLER, again?.id ?? "", "7")
    trial.told(HANDLER, again?.id ?? "", "8")
    expect(trial.values).toEqual(["7"])
  })

  it("a request that two coordinators each did is told once, and its answer replaces both", () => {
    const trial = new Trial(FIRST)
    const three = { context: { "a@1.1": 5 }, versions: [{ dot: ["a@1.1", 5] as Dot, value: "3" }], done: ["5 a@1.1 0 1 gateway.0"] }
    trial.copy(three)
    trial.copy({ context: { "b@1.1": 6 }, versions: [{ dot: ["b@1.1", 6], value: "4" }], done: ["6 b@1.1 0 2 gateway.0"] })
    // The same put of 3, sent again to another coordinator when the first one did not answer.
    trial.copy({ context: { "c@1.1": 7 }, versions: [{ dot: ["c@1.1", 7], value: "3" }], done: ["7 c@1.1 0 1 gateway.0"] })
    const [question] = trial.look(20_000)
    expect(question?.values).toEqual(["3", "4"])
    trial.told(HANDLER, question?.id ?? "", "7")
    expect(trial.values).toEqual(["7"])
  })

  it("nobody is asked about one value that is there twice because its request was", () => {
    const trial = new Trial(FIRST)
    trial.copy({ context: { "a@1.1": 5 }, versions: [{ dot: ["a@1.1", 5], value: "3" }], done: ["5 a@1.1 0 1 gateway.0"] })
    trial.copy({ context: { "c@1.1": 7 }, versions: [{ dot: ["c@1.1", 7], value: "3" }], done: ["7 c@1.1 0 1 gateway.0"] })
    expect(trial.look(20_000)).toEqual([])
    expect(trial.look(SECOND_ASKS)).toEqual([])
  })

  it("two holders that were told the same write one value: nobody is asked to add up both answers", () => {
    const [first, second] = [new Trial(FIRST), new Trial(SECOND)]
    for (const trial of [first, second]) trial.siblings()
    first.told(HANDLER, first.look(20_000)[0]?.id ?? "", "7")
    second.told(HANDLER, second.look(SECOND_ASKS)[0]?.id ?? "", "7")
    first.copy(second.state)
    expect(shownVersions(first.state).map(({ value }) => value)).toEqual(["7"])
    expect(first.look(20_000)).toEqual([])
    expect(first.look(SECOND_ASKS)).toEqual([])
  })

  it("an answer that cannot be written is asked for again, later each time", () => {
    const trial = new Trial(FIRST)
    // As many writers as a key may have: one more is refused.
    const context = Object.fromEntries(Array.from({ length: VECTOR_ENTRIES_MAX }, (_, index) => [`w${index}@1.1`, 5]))
    const versions = [
      { dot: ["w0@1.1", 5] as Dot, value: "3" },
      { dot: ["w1@1.1", 5] as Dot, value: "4" },
    ]
    trial.copy({ context, versions })
    trial.told(HANDLER, trial.look(20_000)[0]?.id ?? "", "7")
    expect(trial.values).toEqual(["3", "4"])
    expect(trial.look(500_000)).toEqual([])
    const [again] = trial.look(2_000_000)
    expect(again?.values).toEqual(["3", "4"])
    trial.told(HANDLER, again?.id ?? "", "7")
    expect(trial.look(2_000_000)).toEqual([])
    expect(trial.look(4_000_000)).toHaveLength(1)
  })

  it("siblings that a replica has when it begins again are asked about", () => {
    const versions = [
      { dot: ["a@1.1", 5] as Dot, value: "3" },
      { dot: ["b@1.1", 6] as Dot, value: "4" },
    ]
    const state = { context: { "a@1.1": 5, "b@1.1": 6 }, versions }
    const trial = new Trial(FIRST, new Map<string, Json>([["k/merged/k", { state }]]))
    expect(trial.look(20_000)).toMatchObject([{ key: "k", values: ["3", "4"] }])
    expect(new Trial(FIRST).look(20_000)).toEqual([])
  })

  it("a value beside a deletion wins without anybody being asked", () => {
    const trial = new Trial(FIRST)
    trial.copy({ context: { "a@1.1": 5 }, versions: [{ dot: ["a@1.1", 5], value: "3" }] })
    trial.copy({ context: { "b@1.1": 6 }, versions: [{ dot: ["b@1.1", 6], value: null }] })
    expect(trial.look(20_000)).toEqual([])
    expect(trial.values).toEqual(["3"])
  })
})
