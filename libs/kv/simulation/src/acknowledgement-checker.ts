/**
 * An acknowledged write is on the disks of W replicas at the moment the answer leaves. Looks through the machines at what their disks were
 * told to sync, so that a lucky run does not hide an early answer.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { KeyOperation } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import type { Vector } from "@backplane/kv-contract/versions"
import { partitionOf, placeName } from "@backplane/kv-replication/hash"
import { descends } from "@backplane/kv-versioning/vector"
import type { SimulatedDisk } from "./disked-replica.ts"
import type { KvRun } from "./kv-world.ts"
import { BUCKETS } from "./workload.ts"

export function watchAcknowledgements({ world, replicas, disks, faults }: KvRun): void {
  const asked = new Map<string, KeyOperation>()
  let wrong: string | null = null
  const damaged = new Set<ActorId>(faults.classes.has("flip") || faults.classes.has("misdirect") ? [faults.victim] : [])
  world.onMessage(({ from, to, body }) => {
    const message = body as KvMessage
    if (message.kind === "KvAsk")
      for (const { sequence, operation } of message.requests) if (!("partition" in operation)) asked.set(`${from}#${sequence}`, operation)
    if (message.kind !== "KvTell") return
    for (const answer of message.answers) {
      const operation = asked.get(`${to}#${answer.sequence}`)
      if (!answer.ok || operation === undefined || operation.type === "get" || operation.type === "cas") continue
      const needed = BUCKETS.find(({ name }) => name === operation.bucket)?.w ?? 2
      // What a damaged disk has forgotten since is not the answer's fault.
      const have = replicas.filter((id) => damaged.has(id) || isOnDisk(disks.get(id), operation, answer.context)).length
      if (have < needed)
        wrong ??= `acknowledged on ${have} disks of ${needed}: ${operation.type} ${placeName(operation.bucket, operation.key)} to ${to}`
    }
  })
  world.addChecker("acknowledged means on disk", () => {
    if (wrong !== null) throw new Error(wrong)
  })
}

function isOnDisk(disk: SimulatedDisk | undefined, { bucket, key }: KeyOperation, context: Vector): boolean {
  if (disk === undefined) return false
  const place = placeName(bucket, key)
  const covers = (value: unknown, field: "context" | "cut"): boolean => {
    const vector = (value as { readonly [name: string]: Vector } | null | undefined)?.[field]
    return vector !== undefined && descends(vector, context)
  }
  const state = (name: string): unknown => (disk.durable.get(name) as { readonly state: unknown } | null | undefined)?.state
  if (covers(state(`k/${place}`), "context") || covers(disk.durable.get(`c/${partitionOf(bucket, key)}`), "cut")) return true
  return [...disk.durable.keys()].some((name) => name.startsWith("h/") && name.endsWith(`/${place}`) && covers(state(name), "context"))
}
