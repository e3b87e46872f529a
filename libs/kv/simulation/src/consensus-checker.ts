/** At most one leader a term, and no two replicas that committed different entries at one index: looked at while the run goes on. */
import { canonicalJson } from "@backplane/foundation-base/json"
import { partitionOf } from "@backplane/kv-replication/hash"
import { DiskedReplica } from "./disked-replica.ts"
import type { KvRun } from "./kv-world.ts"

const PARTITIONS_WITH_REGISTERS = [...new Set(["k0", "k1"].map((key) => partitionOf("register", key)))]

export function watchConsensus({ world, replicas }: KvRun): void {
  const leaders = new Map<string, string>()
  const committed = new Map<string, string>()
  const seen = new Map<string, number>()
  world.addChecker(
    "one leader a term, one entry an index",
    () => {
      for (const id of replicas)
        for (const partition of PARTITIONS_WITH_REGISTERS) {
          const group = world.stateOf(id) === "running" ? world.inspect(id, DiskedReplica)?.inner.view.linear.group(partition) : undefined
          if (group === undefined) continue
          const term = `${partition}/${group.term}`
          if (group.role === "leader" && (leaders.get(term) ?? id) !== id)
            throw new Error(`two leaders in term ${term}: ${leaders.get(term)} and ${id}`)
          if (group.role === "leader") leaders.set(term, id)
          const life = `${id}/${partition}/${world.incarnationOf(id)}`
          for (let index = (seen.get(life) ?? 0) + 1; index <= group.commit; index++) {
            const entry = group.committed(index)
            if (entry === null) continue
            const name = `${partition}/${index}`
            const text = canonicalJson({ term: entry.term, command: { ...entry.command } })
            if ((committed.get(name) ?? text) !== text)
              throw new Error(`two entries committed at ${name}: ${committed.get(name)} and ${text}`)
            committed.set(name, text)
          }
          seen.set(life, group.commit)
        }
    },
    { every: 20 },
  )
}
