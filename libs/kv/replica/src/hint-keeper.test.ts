import { describe, expect, it } from "vitest"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Input } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { WIRE_VERSION } from "@backplane/kv-contract/forms"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import type { PeerItem, PeerItemOf } from "@backplane/kv-contract/peer-items"
import { partitionOf } from "@backplane/kv-replication/hash"
import { holdersOf, partitionMap } from "@backplane/kv-replication/partition-map"
import type { KvEffect } from "./outbox.ts"
import { ReplicaMachine } from "./replica.ts"

const IDS = [0, 1, 2].map((index) => actorId(`kv-shard.${index}`))
const MAP = partitionMap(IDS.map((id) => ({ id, zone: "a" })))
const [A, B] = holdersOf(MAP, partitionOf("plain", "k0")) as [ActorId, ActorId, ActorId]
const ROUND = 500_000

/** A replica with `count` hints of so many characters for another, and what it offers in a step. */
function keeper(
  count: number,
  size = 1,
): {
  readonly round: (at: number) => readonly PeerItemOf<"replicate">[]
  readonly hear: (at: number, ...items: PeerItem[]) => readonly PeerItemOf<"replicate">[]
  readonly left: () => number
} {
  const hints = Array.from({ length: count }, (_, index): [string, never] => {
    const state = { context: { a: index + 1 }, versions: [{ dot: ["a", index + 1], value: "x".repeat(size) }] }
    return [`h/${B}/plain/k${index}`, { state } as never]
  })
  const buckets = [{ name: "plain", policy: "siblings" as const }]
  const machine = new ReplicaMachine({ id: A, map: MAP, buckets, storeVersion: WIRE_VERSION })
  machine.start(virtualTime(0), new Map(hints))
  const offered = (effects: readonly KvEffect[]): PeerItemOf<"replicate">[] =>
    effects.flatMap((effect) =>
      effect.kind === "send" && effect.body.kind === "KvPeer" && effect.to === B
        ? effect.body.items.flatMap((item) => (item.type === "replicate" && item.reason === "hint" ? [item] : []))
        : [],
    )
  const step = (at: number, input: Input<KvMessage>): PeerItemOf<"replicate">[] => offered(machine.step(virtualTime(at), input))
  return {
    round: (at) => step(at, { kind: "timer", key: "hint" }),
    hear: (at, ...items) => step(at, { kind: "message", from: B, body: { kind: "KvPeer", epoch: 1, items } }),
    left: () => machine.view.shelf.count,
  }
}

const done = ({ id }: { readonly id: string }): PeerItem => ({ type: "replicated", id, ok: true })

describe("hints", () => {
  it("are offered again each round to who is silent, and an acknowledgement of any offer counts", () => {
    const { round, hear, left } = keeper(2)
    const first = round(ROUND)
    expect(first).toHaveLength(2)
    expect(round(2 * ROUND)).toHaveLength(2)
    hear(2 * ROUND + 1, ...first.map(done))
    expect(left()).toBe(0)
  })

  it("are offered again later each time to who answers other things", () => {
    const { round, hear } = keeper(2)
    const [, slow] = round(ROUND)
    hear(ROUND + 1, done(slow as PeerItemOf<"replicate">))
    expect([2, 3, 4, 5].map((at) => round(at * ROUND).length)).toEqual([1, 0, 1, 1])
  })

  it("go on as soon as the target has all that was under way, large ones a few at a time", () => {
    const { round, hear, left } = keeper(10, 1024 * 1024)
    const first = round(ROUND)
    expect(first).toHaveLength(4)
    expect(hear(ROUND + 1, ...first.slice(0, 3).map(done))).toEqual([])
    const second = hear(ROUND + 2, ...first.slice(3).map(done))
    expect(second).toHaveLength(4)
    const third = hear(ROUND + 3, ...second.map(done))
    expect(third).toHaveLength(2)
    hear(ROUND + 4, ...third.map(done))
    expect(left()).toBe(0)
  })
})
