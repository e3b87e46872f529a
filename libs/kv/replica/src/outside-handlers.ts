/**
 * Buckets whose handler is a service on the bus: concurrent values stay beside each other until it has made one of them.
 *
 * Procedure: a holder that comes to have siblings, or begins again with some, asks `handler.<name>`, the first holder at once, the next ones later,
 * should it still be needed. It tells what a reader is shown. The answer is written as any put is, with the context of what was told, so it replaces
 * exactly that: a value that came meanwhile stays, and is asked about again. A service that is away costs nothing but time: readers see the siblings.
 *
 * Invariants:
 * O1 At most one question a key is under way here, and one replica's answer never replaces what the service was not told.
 * O2 Bounded: at most KEYS_MAX keys wait; those that found no room are looked for once the others are done.
 * O3 What was told names the write: where two holders were each answered about the same values, that is one request done twice (kv/versioning, done.ts),
 *    so the answers are not siblings that somebody is asked to add up.
 */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { closeSpan, openSpan, send } from "@backplane/foundation-actor/effects"
import { SERVICE_PREFIX, type KvReconciled } from "@backplane/kv-contract/handler-messages"
import type { KvRequest } from "@backplane/kv-contract/client-messages"
import { PARTITIONS, VALUE_LENGTH_MAX } from "@backplane/kv-contract/limits"
import type { KeyState } from "@backplane/kv-contract/versions"
import { hashOf, hexOf, placeName } from "@backplane/kv-replication/hash"
import { shownVersions } from "@backplane/kv-versioning/key-state"
import { liveValues } from "@backplane/kv-versioning/reconcile/reconciler"
import type { ReplicaCore } from "./core.ts"
import type { KeyRecord, Place } from "./key-table.ts"
import { sizeOf } from "./write-traces.ts"
import type { WriteOperation } from "./write-coordinator.ts"

const KEYS_MAX = 4_096
/** How long after the holder before it a holder asks. */
const RANK_CYCLES = 500_000
/** An answer that does not come is asked for again after this, each time twice as late. */
const AGAIN_CYCLES = 1_000_000
const AGAIN_CYCLES_MAX = 32_000_000

interface Open {
  readonly place: Place
  readonly handler: ActorId
  askAt: number
  wait: number
  /** The question under way; null: none yet. */
  id: string | null
  told: KeyState | null
}

export type BeginWrite = (requester: ActorId, request: KvRequest, operation: WriteOperation) => void

export class OutsideHandlers {
  readonly #core: ReplicaCore
  readonly #write: BeginWrite
  readonly #open = new Map<string, Open>()
  #sequence = 0
  /** There may be keys with siblings that do not wait here yet. */
  #isBehind = false

  constructor(core: ReplicaCore, write: BeginWrite) {
    this.#core = core
    this.#write = write
  }

  get isIdle(): boolean {
    return this.#open.size === 0 && !this.#isBehind
  }

  /** The replica has its keys back: no change of theirs may be to come. */
  begin(): void {
    this.#isBehind = this.#buckets().length > 0
  }

  /** Hears of every state that this replica takes over. */
  onKept({ bucket, key, state }: KeyRecord): void {
    const handler = this.#core.bucket(bucket)?.bucket.handler
    if (!isService(handler)) return
    const name = placeName(bucket, key)
    if (shownVersions(state).length < 2) {
      this.#open.delete(name)
      return
    }
    if (this.#open.has(name)) return
    if (this.#open.size >= KEYS_MAX) {
      this.#isBehind = true
      return
    }
    const rank = Math.max(0, this.#core.holders({ bucket, key }).indexOf(this.#core.id))
    this.#open.set(name, {
      place: { bucket, key },
      handler: actorId(`handler.${handler.slice(SERVICE_PREFIX.length)}`),
      askAt: this.#core.now + rank * RANK_CYCLES,
      wait: AGAIN_CYCLES,
      id: null,
      told: null,
    })
  }

  tick(): void {
    if (this.#isBehind && this.#open.size === 0) this.#catchUp()
    for (const [name, open] of this.#open) {
      if (this.#core.now < open.askAt) continue
      const record = this.#core.table.record(open.place)
      if (record === undefined || shownVersions(record.state).length < 2) this.#open.delete(name)
      else if (!this.#core.isUndurable(open.place)) this.#ask(open, record.state)
    }
  }

  onReconciled(from: ActorId, { id, value }: KvReconciled): void {
    const core = this.#core
    const found = [...this.#open].find(([, open]) => open.id === id && open.handler === from)
    if (found === undefined || (value !== null && value.length > VALUE_LENGTH_MAX)) return
    const [name, open] = found
    const { place, told } = open
    if (told === null || !core.isHolder(place)) return
    // Whatever is beside it by now is asked about anew.
    this.#open.delete(name)
    const span = `handler/${id}`
    const attributes = {
      "backplane.key": name,
      "backplane.rule": core.reconciler(place.bucket).rule,
      "backplane.siblings": shownVersions(told).length,
      "backplane.bytes": sizeOf([told]),
      "backplane.replicas": core.keepers(place).join(" "),
    }
    core.outbox.effect(openSpan(span, "kv.reconcile handler", attributes, { root: true, links: core.traces.linksOf([told]) }))
    core.outbox.atEnd(closeSpan(span))
    const operation: WriteOperation =
      value === null ? { type: "delete", ...place, context: told.context } : { type: "put", ...place, value, context: told.context }
    this.#write(core.id, { sequence: ++this.#sequence, attempt: 0, operation, idempotency: nameOf(told) }, operation)
    const left = core.table.record(place)
    if (left !== undefined && shownVersions(left.state).length > 1 && !this.#open.has(name)) this.#later(name, open)
  }

  /** The answer was not written: it is asked for again. */
  #later(name: string, { place, handler, wait }: Open): void {
    this.#open.set(name, { place, handler, askAt: this.#core.now + wait, wait, id: null, told: null })
  }

  /** All keys with siblings, as far as there is room. */
  #catchUp(): void {
    this.#isBehind = false
    for (const bucket of this.#buckets())
      for (let partition = 0; partition < PARTITIONS; partition++)
        for (const record of this.#core.table.recordsOf(partition, bucket)) this.onKept(record)
  }

  #buckets(): string[] {
    return this.#core.config.buckets.flatMap(({ name, handler }) => (isService(handler) ? [name] : []))
  }

  #ask(open: Open, state: KeyState): void {
    const core = this.#core
    open.id = core.freshId()
    open.told = state
    open.askAt = core.now + open.wait
    open.wait = Math.min(AGAIN_CYCLES_MAX, open.wait * 2)
    const values = [...liveValues(shownVersions(state))]
    // One value and deletions beside it: the value wins, as readers see it already.
    if (values.length < 2) this.onReconciled(open.handler, { kind: "KvReconciled", id: open.id, value: values[0] ?? null })
    else core.outbox.effect(send(open.handler, { kind: "KvReconcile", id: open.id, ...open.place, values }))
  }
}

function isService(handler: string | undefined): handler is string {
  return handler?.startsWith(SERVICE_PREFIX) === true
}

/** Of the write of an answer to what was told (O3). */
function nameOf({ versions }: KeyState): string {
  return `handler-${hexOf(hashOf(versions.map(({ dot: [writer, time] }) => `${time} ${writer}`).join(" ")))}`
}
