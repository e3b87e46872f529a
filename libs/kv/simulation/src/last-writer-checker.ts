/** Of an lww key the latest of all events in its context is what is left: looked at in every replica while the run goes on. */
import { highestCount } from "@backplane/kv-versioning/vector"
import { DiskedReplica } from "./disked-replica.ts"
import type { KvRun } from "./kv-world.ts"

const KEYS = ["k0", "k1", "k2"]

export function watchLastWriter({ world, replicas }: KvRun): void {
  world.addChecker(
    "lww keeps the last write",
    () => {
      for (const id of replicas) {
        const table = world.stateOf(id) === "running" ? world.inspect(id, DiskedReplica)?.inner.view.table : undefined
        for (const key of table === undefined ? [] : KEYS) {
          const record = table?.record({ bucket: "last", key })
          const [version] = record?.state.versions ?? []
          if (record !== undefined && version !== undefined && version.dot[1] !== highestCount(record.state.context))
            throw new Error(`${id} keeps an earlier write than the last at last/${key}`)
        }
      }
    },
    { every: 10 },
  )
}
