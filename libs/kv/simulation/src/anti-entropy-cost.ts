/**
 * `node libs/kv/simulation/src/anti-entropy-cost.ts [--keys N] [--apart N] [--bytes N]`: two replicas with N keys of which some differ; how many
 * bytes, messages and seconds until they are equal, against the bytes of what differs. Prints JSON.
 */
import { WIRE_VERSION } from "@backplane/kv-contract/forms"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import type { KvEffect } from "@backplane/kv-replica/outbox"
import { ReplicaMachine } from "@backplane/kv-replica/replica"
import { wholeNumberOption } from "./options.ts"

export interface Cost {
  readonly keys: number
  readonly apart: number
  readonly divergentBytes: number
  readonly messages: number
  readonly bytes: number
  readonly ratio: number
  readonly seconds: number
  readonly equalExchangeBytes: number
}

const IDS = [actorId("kv-shard.0"), actorId("kv-shard.1")] as const

export function antiEntropyCost(options: { readonly keys: number; readonly apart: number; readonly valueBytes: number }): Cost {
  const { keys, apart, valueBytes } = options
  const map = partitionMap(IDS.map((id) => ({ id, zone: "a" })))
  const record = (key: number, version: number): Json => ({
    state: { context: { "w@1.1": version }, versions: [{ dot: ["w@1.1", version], value: `${key}/${version}/`.padEnd(valueBytes, "x") }] },
  })
  const every = Math.floor(keys / apart)
  const isNew = (key: number): boolean => key % every === 0 && key / every < apart
  const replicas = new Map(
    IDS.map((id, index) => {
      const machine = new ReplicaMachine({
        id,
        map,
        buckets: [{ name: "b", policy: "lww" }],
        storeVersion: WIRE_VERSION,
      })
      const restored = new Map<string, Json>()
      for (let key = 0; key < keys; key++) restored.set(`k/b/key-${key}`, record(key, index === 1 && isNew(key) ? 2 : 1))
      machine.start(virtualTime(0), restored)
      return [id, machine]
    }),
  )
  const divergentBytes = Array.from({ length: apart }, (_, index) => JSON.stringify(record(index * every, 2)).length).reduce(
    (a, b) => a + b,
    0,
  )
  const began = performance.now()
  const spent = exchange(replicas, IDS[0])
  const seconds = (performance.now() - began) / 1000
  const [one, other] = IDS.map((id) => replicas.get(id)?.view.table)
  for (let partition = 0; partition < PARTITIONS; partition++)
    if (one?.tree(partition).root() !== other?.tree(partition).root()) throw new Error(`partition ${partition} still differs`)
  const equal = exchange(replicas, IDS[0])
  return { keys, apart, divergentBytes, ...spent, ratio: spent.bytes / divergentBytes, seconds, equalExchangeBytes: equal.bytes }
}

/** One round begun by `from`, until nobody has anything more to say. */
function exchange(replicas: ReadonlyMap<ActorId, ReplicaMachine>, from: ActorId): { readonly messages: number; readonly bytes: number } {
  let messages = 0
  let bytes = 0
  const waiting: { readonly at: ActorId; readonly effects: readonly KvEffect[] }[] = []
  const step = (at: ActorId, input: Parameters<ReplicaMachine["step"]>[1]): void => {
    const effects = replicas.get(at)?.step(virtualTime(1_000_000), input) ?? []
    waiting.push({ at, effects })
  }
  step(from, { kind: "timer", key: "sync" })
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
    for (const effect of next.effects) {
      if (effect.kind === "persist") step(next.at, { kind: "persisted", key: effect.key })
      if (effect.kind !== "send") continue
      messages++
      const text = JSON.stringify(effect.body)
      bytes += text.length
      step(effect.to, { kind: "message", from: next.at, body: JSON.parse(text) as typeof effect.body })
    }
  return { messages, bytes }
}

function main(args: readonly string[]): number {
  const keys = wholeNumberOption(args, "--keys", 100_000)
  const apart = wholeNumberOption(args, "--apart", Math.max(1, Math.floor(keys / 100)))
  console.log(JSON.stringify(antiEntropyCost({ keys, apart, valueBytes: wholeNumberOption(args, "--bytes", 1024) })))
  return 0
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
