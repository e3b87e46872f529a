/** Answers scans: the keys of one partition of a bucket in order, as this replica knows them. */
import { compareText } from "@backplane/foundation-base/json"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import type { KvRequest, Operation } from "@backplane/kv-contract/client-messages"
import { isTombstone } from "@backplane/kv-versioning/key-state"
import type { ReplicaCore } from "./core.ts"
import type { LinearHost } from "./linear-host.ts"
import { rejection } from "./rejections.ts"

export type Scan = Extract<Operation, { type: "scan" }>

/** `[key, values, result]` of each key; `more` where the limit cut the list. */
export type ScanEntry = readonly [key: string, values: readonly string[], result: Json]

export class Scanner {
  readonly #core: ReplicaCore
  readonly #linear: LinearHost

  constructor(core: ReplicaCore, linear: LinearHost) {
    this.#core = core
    this.#linear = linear
  }

  answer(requester: ActorId, { sequence }: KvRequest, scan: Scan): void {
    const core = this.#core
    const { bucket, partition } = scan
    const known = core.bucket(bucket)
    if (known === undefined) {
      const remedy = "make the bucket first, or see `kv buckets`"
      return core.outbox.answer(requester, rejection(sequence, { reason: "unknown-bucket", field: "bucket", remedy }))
    }
    if (!core.holdsNow(partition) || core.unsure.has(partition)) {
      const remedy = "ask another replica: this one does not hold the partition, or is being repaired"
      return core.outbox.answer(requester, rejection(sequence, { reason: "busy", remedy }))
    }
    const all = known.bucket.policy === "linear" ? this.#registers(scan) : this.#keys(scan)
    const entries = all.slice(0, scan.limit)
    core.outbox.answer(requester, {
      sequence,
      ok: true,
      values: [],
      result: { entries: entries as Json, more: all.length > entries.length },
      context: {},
      staleness: { answered: 1, apart: false, certifiedAt: core.table.certifiedAt(partition) },
    })
  }

  #keys({ bucket, partition, prefix, after, keysOnly }: Scan): ScanEntry[] {
    const core = this.#core
    const reconciler = core.reconciler(bucket)
    const wanted = core.table
      .recordsOf(partition, bucket)
      .filter(
        ({ key, state }) => isWanted(key, prefix, after) && !isTombstone(state) && (state.versions.length > 0 || state.crdt !== undefined),
      )
      .sort((a, b) => compareText(a.key, b.key))
    return wanted.map(({ key, state }): ScanEntry => {
      if (keysOnly === true) return [key, [], null]
      return [
        key,
        [...reconciler.read(state.versions)],
        reconciler.crdt === null ? null : reconciler.crdt.value(state.crdt ?? reconciler.crdt.empty),
      ]
    })
  }

  #registers({ bucket, partition, prefix, after, keysOnly }: Scan): ScanEntry[] {
    const registers = this.#linear.group(partition)?.registers() ?? []
    return registers.flatMap(([place, value]): ScanEntry[] => {
      const slash = place.indexOf("/")
      const key = place.slice(slash + 1)
      return place.slice(0, slash) === bucket && isWanted(key, prefix, after) ? [[key, keysOnly === true ? [] : [value], null]] : []
    })
  }
}

function isWanted(key: string, prefix: string | undefined, after: string | undefined): boolean {
  return key.startsWith(prefix ?? "") && (after === undefined || key > after)
}
