/** The judgement at the end of a run: the history against the state that everybody ended in. */
import { defined } from "@backplane/foundation-base/assert"
import { NOTHING_KNOWN } from "@backplane/kv-versioning/key-state"
import { crdtType } from "@backplane/kv-versioning/crdt/crdt-types"
import { liveValues } from "@backplane/kv-versioning/reconcile/reconciler"
import { holdersIn } from "@backplane/kv-replication/placement"
import { partitionOf } from "@backplane/kv-replication/hash"
import type { KeyState } from "@backplane/kv-contract/versions"
import { DiskedReplica } from "./disked-replica.ts"
import type { HistoryEntry } from "@backplane/kv-history/history"
import {
  counterViolation,
  lastWriterViolation,
  sessionViolation,
  setViolation,
  siblingViolation,
} from "@backplane/kv-history/history-checkers"
import { latestConfig, type KvRun } from "./kv-world.ts"
import { linearizabilityViolation } from "@backplane/kv-history/linearizability"
import { MAP_COUNTER, SESSION_BUCKETS } from "./workload.ts"

/** The first thing that is wrong, or null. */
export function judge(run: KvRun): string | null {
  const { history, faults, tokens } = run
  const of = (...buckets: readonly string[]): HistoryEntry[] => history.filter(({ bucket }) => buckets.includes(bucket))
  const values = (bucket: string, key: string): readonly string[] => liveValues(finalState(run, bucket, key).versions)
  const shown = (type: "or-set" | "pn-counter" | "or-map", bucket: string, key: string): unknown => {
    const crdt = crdtType(type)
    return crdt.value(finalState(run, bucket, key).crdt ?? crdt.empty)
  }
  const amnesia = faults.classes.has("lie") || faults.classes.has("backup")
  const damaged = amnesia || faults.classes.has("flip") || faults.classes.has("misdirect")
  // What only one replica had to acknowledge may be lost with that replica's disk.
  const durable = damaged ? of("plain", "far") : of("plain", "far", "weak")
  return (
    siblingViolation(durable, values) ??
    lastWriterViolation(of("last"), values) ??
    counterViolation(of("count"), (bucket, key) => Number(shown("pn-counter", bucket, key))) ??
    counterViolation(asOftenAs(run, of("map")), (bucket, key) => mapCounter(shown("or-map", bucket, key))) ??
    setViolation(of("set"), (bucket, key) => shown("or-set", bucket, key) as readonly string[]) ??
    (tokens === "with" || !amnesia ? sessions(run, damaged) : null) ??
    linearizabilityViolation(of("register"))
  )
}

/** In a store with replicas of an earlier version a request may have counted once at each of its coordinators. */
function asOftenAs({ replicas }: KvRun, history: readonly HistoryEntry[]): readonly HistoryEntry[] {
  const again = (entry: HistoryEntry): HistoryEntry[] => replicas.slice(1).map(() => ({ ...entry, ok: null, end: null, maybeTwice: false }))
  return history.flatMap((entry) => (entry.maybeTwice ? [{ ...entry, maybeTwice: false }, ...again(entry)] : [entry]))
}

function mapCounter(value: unknown): number {
  return Number((value as { readonly [name: string]: unknown })[MAP_COUNTER] ?? 0)
}

function sessions({ history }: KvRun, damaged: boolean): string | null {
  return sessionViolation(history.filter(({ bucket }) => SESSION_BUCKETS.has(bucket) && !(damaged && bucket === "weak")))
}

function finalState(run: KvRun, bucket: string, key: string): KeyState {
  const [holder] = holdersIn(latestConfig(run), partitionOf(bucket, key))
  const view = run.world.inspect(defined(holder, "each partition has a holder"), DiskedReplica)?.inner.view
  return view?.table.record({ bucket, key })?.state ?? NOTHING_KNOWN
}
