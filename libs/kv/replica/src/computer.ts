/**
 * Map and reduce at the data: the worker beside this replica reads the keys of a partition, as they are here at one moment, and works on them.
 *
 * The moment lies between two steps of the machine, so what is read is a cut: with each write it has all that its writer had seen of the partition. A
 * write that only other replicas acknowledged may be missing; the answer says when all were last known equal.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { KvRequest, Operation } from "@backplane/kv-contract/client-messages"
import type { KeySource, KvComputed } from "@backplane/kv-contract/compute-messages"
import { isTombstone, shownVersions } from "@backplane/kv-versioning/key-state"
import type { ReplicaCore } from "./core.ts"
import { rejection } from "./rejections.ts"

export type MapReduce = Extract<Operation, { type: "mapreduce" }>

interface Job {
  readonly requester: ActorId
  readonly sequence: number
  readonly partition: number
}

/** A key and its values. */
export type KeyValues = readonly [key: string, values: readonly string[]]

/** Jobs that may be at the worker at a time. */
const JOBS_MAX = 128

export class Computer {
  readonly #core: ReplicaCore
  readonly #jobs = new Map<string, Job>()

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  begin(requester: ActorId, { sequence }: KvRequest, operation: MapReduce): void {
    const core = this.#core
    const worker = core.options.worker
    const no = (reason: "unknown-bucket" | "wrong-operation" | "busy", field: string, remedy: string): void =>
      core.outbox.answer(requester, rejection(sequence, { reason, field, remedy }))
    if (core.bucket(operation.bucket) === undefined) return no("unknown-bucket", "bucket", "see `backplane kv buckets`")
    if (worker === undefined) return no("wrong-operation", "type", "this replica has no worker beside it")
    if (!core.holdsNow(operation.partition) || core.unsure.has(operation.partition)) return no("busy", "partition", "ask another holder")
    if (this.#jobs.size >= JOBS_MAX) return no("busy", "type", `${JOBS_MAX} jobs are under way here: ask again later`)
    const job = core.freshId()
    this.#jobs.set(job, { requester, sequence, partition: operation.partition })
    const { map, reduce, milliseconds, megabytes, partials, bucket, partition, prefix = "" } = operation
    const source = partials === undefined ? { bucket, partition, prefix } : null
    core.outbox.effect(send(worker, { kind: "KvCompute", job, map, reduce, milliseconds, megabytes, source, partials: partials ?? [] }))
  }

  onComputed({ job, result, keys = 0, error }: KvComputed): void {
    const core = this.#core
    const known = this.#jobs.get(job)
    if (known === undefined) return
    this.#jobs.delete(job)
    const { requester, sequence, partition } = known
    if (error !== undefined) {
      core.outbox.answer(requester, rejection(sequence, { reason: "compute-failed", field: "map", remedy: error }))
      return
    }
    const staleness = { answered: 1, apart: false, certifiedAt: core.table.certifiedAt(partition) }
    core.outbox.answer(requester, { sequence, ok: true, values: [], result: { result: result ?? null, keys }, context: {}, staleness })
  }

  /** What is here of the source at this moment; null where this replica does not hold it, or is not sure of it. */
  entries({ bucket, partition, prefix }: KeySource): readonly KeyValues[] | null {
    const core = this.#core
    if (core.bucket(bucket) === undefined || !core.holdsNow(partition) || core.unsure.has(partition)) return null
    const reconciler = core.reconciler(bucket)
    return core.table.recordsOf(partition, bucket).flatMap(({ key, state }): KeyValues[] => {
      if (!key.startsWith(prefix) || isTombstone(state)) return []
      const shown =
        reconciler.crdt === null
          ? reconciler.read(shownVersions(state))
          : [JSON.stringify(reconciler.crdt.value(state.crdt ?? reconciler.crdt.empty))]
      return shown.length === 0 ? [] : [[key, shown]]
    })
  }
}
