import { actorId } from "@backplane/foundation-actor/actor-id"
import { FIRST_BUCKETS } from "@backplane/kv-contract/first-buckets"
import type { StoreConfig } from "@backplane/kv-contract/store-config"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { firstConfig } from "@backplane/kv-replication/placement"
import { describe, expect, it } from "vitest"
import { ConfigKeeper } from "./config-keeper.ts"
import type { ReplicaCore } from "./core.ts"

const CONFIG = firstConfig(partitionMap([0, 1, 2].map((index) => ({ id: actorId(`replica.${index}`), zone: "a" }))), FIRST_BUCKETS)

/** The configurations that reach the core. */
function adopted(text: string): readonly StoreConfig[] {
  const all: StoreConfig[] = []
  const adopt = (config: StoreConfig): boolean => {
    all.push(config)
    return false
  }
  new ConfigKeeper({ adopt, config: { ...CONFIG, epoch: CONFIG.epoch - 1 } } as unknown as ReplicaCore, () => undefined).onText(text)
  return all
}

describe("the register of the configuration", () => {
  it("is taken over where it holds a configuration", () => {
    expect(adopted(JSON.stringify(CONFIG))).toEqual([CONFIG])
  })

  // A replica that took it would forget its members and end with the next message, and again in each later life.
  it.each([
    ["no JSON", "{"],
    ["no object", "7"],
    ["an epoch alone", '{"epoch":1000000}'],
    ["no members", JSON.stringify({ ...CONFIG, epoch: 9, members: [] })],
    ["a partition less", JSON.stringify({ ...CONFIG, epoch: 9, holders: CONFIG.holders.slice(1) })],
    ["a bucket of no policy", JSON.stringify({ ...CONFIG, epoch: 9, buckets: [{ name: "b", policy: "none" }] })],
    ["more than it may", JSON.stringify({ ...CONFIG, epoch: 9, more: 1 })],
  ])("is ignored where it holds %s", (_, text) => {
    expect(adopted(text)).toEqual([])
  })
})
