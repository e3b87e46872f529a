/**
 * Map and reduce at the data: hands the keys of a partition, as they are here at one moment, to the worker beside this replica.
 *
 * The moment is one step of the machine, so what is handed over is a cut: with each write it has all that its writer had seen of the partition. A
 * write that only other replicas acknowledged may be missing; the answer says when all were last known equal.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { KvRequest, Operation } from "@backplane/kv-contract/client-messages"
import { COMPUTE_CHARACTERS_MAX, COMPUTE_ENTRIES_MAX, type KvCompute, type KvComputed } from "@backplane/kv-contract/compute-messages"
import { isTombstone } from "@backplane/kv-versioning/key-state"
import type { ReplicaCore } from "./core.ts"
import { rejection } from "./rejections.ts"

export type MapReduce = Extract<Operation, { type: "mapreduce" }>

interface Job {
  readonly requester: ActorId
  readonly sequence: number
  readonly partition: number
  readonly keys: number
}

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
    const entries = operation.partials === undefined ? this.#entries(operation) : []
    this.#jobs.set(job, { requester, sequence, partition: operation.partition, keys: entries.length })
    const { map, reduce, milliseconds, megabytes } = operation
    const common = { kind: "KvCompute", job, map, reduce, milliseconds, megabytes, partials: operation.partials ?? [] } as const
    const batches = inBatches(entries)
    for (const [index, batch] of batches.entries())
      core.outbox.effect(send(worker, { ...common, entries: batch, last: index === batches.length - 1 }))
  }

  onComputed({ job, result, error }: KvComputed): void {
    const core = this.#core
    const known = this.#jobs.get(job)
    if (known === undefined) return
    this.#jobs.delete(job)
    const { requester, sequence, partition, keys } = known
    if (error !== undefined) {
      core.outbox.answer(requester, rejection(sequence, { reason: "compute-failed", field: "map", remedy: error }))
      return
    }
    const staleness = { answered: 1, apart: false, certifiedAt: core.table.certifiedAt(partition) }
    core.outbox.answer(requester, { sequence, ok: true, values: [], result: { result: result ?? null, keys }, context: {}, staleness })
  }

  #entries({ bucket, partition, prefix }: MapReduce): [string, string[]][] {
    const reconciler = this.#core.reconciler(bucket)
    return this.#core.table.recordsOf(partition, bucket).flatMap(({ key, state }): [string, string[]][] => {
      if (!key.startsWith(prefix ?? "") || isTombstone(state)) return []
      const shown =
        reconciler.crdt === null
          ? reconciler.read(state.versions)
          : [JSON.stringify(reconciler.crdt.value(state.crdt ?? reconciler.crdt.empty))]
      return shown.length === 0 ? [] : [[key, [...shown]]]
    })
  }
}

/** At least one, though it be empty. */
function inBatches(entries: readonly [string, string[]][]): KvCompute["entries"][] {
  const batches: KvCompute["entries"][] = [[]]
  let characters = 0
  for (const entry of entries) {
    const size = entry[1].reduce((sum, value) => sum + value.length, entry[0].length)
    const last = batches.at(-1) ?? []
    if (last.length < COMPUTE_ENTRIES_MAX && (last.length === 0 || characters + size <= COMPUTE_CHARACTERS_MAX)) {
      last.push(entry)
      characters += size
    } else {
      batches.push([entry])
      characters = size
    }
  }
  return batches
}
