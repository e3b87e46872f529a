import { describe, expect, it } from "vitest"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import { WIRE_VERSION, WIRE_VERSION_FIRST } from "@backplane/kv-contract/forms"
import { kvMessages, type KvMessage } from "@backplane/kv-contract/kv-messages"
import type { PeerItem } from "@backplane/kv-contract/peer-items"
import type { KeyState } from "@backplane/kv-contract/versions"
import { partitionOf } from "@backplane/kv-replication/hash"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { Compile } from "typebox/compile"
import type { KvEffect } from "@backplane/kv-replica/outbox"
import { ReplicaMachine } from "@backplane/kv-replica/replica"
import { SOUND_RULES } from "@backplane/kv-replica/rules"

const IDS = [actorId("kv-shard.0"), actorId("kv-shard.1")] as const
const MAP = partitionMap(IDS.map((id) => ({ id, zone: "a" })))
const CHECK = Compile(kvMessages.KvPeer)

const state = (count: number, value = `v${count}`): KeyState => ({
  context: { "w@1.1": count },
  versions: [{ dot: ["w@1.1", count], value }],
})

/** Two replicas, each with its own states by key. */
function pair(states: readonly [ReadonlyMap<string, KeyState>, ReadonlyMap<string, KeyState>], storeVersion = WIRE_VERSION) {
  return new Map(
    IDS.map((id, index) => {
      const machine = new ReplicaMachine({ id, map: MAP, buckets: [{ name: "b", policy: "lww" }], storeVersion })
      const records = [...(states[index] ?? [])].map(([key, each]): [string, Json] => [`k/b/${key}`, { state: each } as unknown as Json])
      machine.start(virtualTime(0), new Map(records))
      return [id, machine]
    }),
  )
}

/** One round of the first, until nobody says anything more; gives what was said. `onWay`: what becomes of an item on its way. */
function round(replicas: ReadonlyMap<ActorId, ReplicaMachine>, onWay = (item: PeerItem): PeerItem => item): PeerItem[] {
  const said: PeerItem[] = []
  const waiting: (readonly [at: ActorId, effects: readonly KvEffect[]])[] = []
  const step = (at: ActorId, input: Parameters<ReplicaMachine["step"]>[1]): void => {
    waiting.push([at, replicas.get(at)?.step(virtualTime(1_000_000), input) ?? []])
  }
  step(IDS[0], { kind: "timer", key: "sync" })
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
    for (const effect of next[1]) {
      if (effect.kind === "persist") step(next[0], { kind: "persisted", key: effect.key })
      if (effect.kind !== "send" || effect.body.kind !== "KvPeer") continue
      const body: KvMessage = { ...effect.body, items: effect.body.items.map(onWay) }
      expect(CHECK.Check(body)).toBe(true)
      said.push(...body.items)
      step(effect.to, { kind: "message", from: next[0], body })
    }
  return said
}

const valuesOf = (replicas: ReadonlyMap<ActorId, ReplicaMachine>, key: string): (string | null | undefined)[] =>
  IDS.map((id) => replicas.get(id)?.view.table.record({ bucket: "b", key })?.state.versions[0]?.value)
const leavesOf = (said: readonly PeerItem[]): PeerItem[] => said.filter(({ type }) => type === "sync-leaves")

describe("a comparison of two replicas", () => {
  const apart: [ReadonlyMap<string, KeyState>, ReadonlyMap<string, KeyState>] = [
    new Map([
      ["k", state(1)],
      ["only here", state(3)],
    ]),
    new Map([["k", state(2)]]),
  ]

  it("tells leaves by digests, and makes both equal in one round", () => {
    const replicas = pair(apart)
    const leaves = leavesOf(round(replicas))
    expect(leaves.length).toBeGreaterThan(0)
    for (const each of leaves)
      expect(each).toMatchObject({ nodes: [], digests: [[expect.any(Number), expect.any(String), expect.any(String)]] })
    expect([valuesOf(replicas, "k"), valuesOf(replicas, "only here")]).toEqual([
      ["v2", "v2"],
      ["v3", "v3"],
    ])
  })

  it("tells hashes where the other does not say that it understands digests, as programs of before do", () => {
    for (const [version, onWay] of [
      [WIRE_VERSION, ({ ...item }: PeerItem) => (item.type === "sync-nodes" && delete item.brief, item)],
      [WIRE_VERSION_FIRST, (item: PeerItem) => item],
    ] as const) {
      const replicas = pair(apart, version)
      const said = round(replicas, onWay)
      expect(leavesOf(said).length).toBeGreaterThan(0)
      for (const each of said) {
        expect(each).not.toHaveProperty("brief")
        expect(each).not.toHaveProperty("digests")
      }
      expect(valuesOf(replicas, "k")).toEqual(["v2", "v2"])
      expect(valuesOf(replicas, "only here")).toEqual(["v3", "v3"])
    }
  })

  it("finds a difference that the digest of its leaf hides", () => {
    const seen = new Map<number, number>()
    let twins: readonly [number, number] | null = null
    for (let count = 1; twins === null; count++) {
      const digits = (SOUND_RULES.stateHash(state(count))?.low ?? 0) & 0xffffff
      const other = seen.get(digits)
      if (other !== undefined) twins = [other, count]
      seen.set(digits, count)
    }
    const [early, late] = twins
    const replicas = pair([new Map([["k", state(early)]]), new Map([["k", state(late)]])])
    const said = round(replicas)
    expect(said).toContainEqual(expect.objectContaining({ type: "sync-keys", partition: partitionOf("b", "k") }))
    expect(valuesOf(replicas, "k")).toEqual([`v${late}`, `v${late}`])
  })

  it("tells no keys of a node that became equal in between", () => {
    const same = new Map([["k", state(2)]])
    const replicas = pair([same, same])
    const partition = partitionOf("b", "k")
    const tree = replicas.get(IDS[0])?.view.table.tree(partition)
    const digests = (tree?.nodes() ?? []).map((hash, node): [number, string, string] => [node, hash, tree?.digest(node) ?? ""])
    const heard: KvMessage = { kind: "KvPeer", epoch: 1, items: [{ type: "sync-leaves", partition, nodes: [], digests }] }
    const effects = replicas.get(IDS[1])?.step(virtualTime(1_000_000), { kind: "message", from: IDS[0], body: heard })
    expect(effects?.filter(({ kind }) => kind === "send")).toEqual([])
  })
})
