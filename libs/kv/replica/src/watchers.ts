/** Who is told of changes here: leases, bounded, and a word for each key that changes under one. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import { WATCH_LEASE_CYCLES, WATCHES_MAX, type KvWatch } from "@backplane/kv-contract/watch-messages"
import type { ReplicaCore } from "./core.ts"
import type { KeyRecord } from "./key-table.ts"

interface Watch {
  readonly to: ActorId
  readonly watch: string
  readonly bucket: string
  readonly prefix: string
  readonly until: number
}

export class Watchers {
  readonly #core: ReplicaCore
  readonly #watches = new Map<string, Watch>()

  constructor(core: ReplicaCore) {
    this.#core = core
    core.onKept.push((record) => this.#changed(record))
  }

  onWatch(from: ActorId, { watch, bucket, prefix, open }: KvWatch): void {
    const name = `${from} ${watch}`
    if (!open) this.#watches.delete(name)
    else if (this.#watches.has(name) || this.#watches.size < WATCHES_MAX)
      this.#watches.set(name, { to: from, watch, bucket, prefix, until: this.#core.now + WATCH_LEASE_CYCLES })
  }

  #changed({ bucket, key, state }: KeyRecord): void {
    if (this.#watches.size === 0) return
    const core = this.#core
    for (const [name, watch] of this.#watches) {
      if (watch.until < core.now) this.#watches.delete(name)
      else if (watch.bucket === bucket && key.startsWith(watch.prefix)) {
        const reconciler = core.reconciler(bucket)
        const values = [...reconciler.read(state.versions)]
        const result = reconciler.crdt === null ? {} : { result: reconciler.crdt.value(state.crdt ?? reconciler.crdt.empty) }
        core.outbox.effect(
          send(watch.to, { kind: "KvChanged", watch: watch.watch, bucket, key, values, context: state.context, ...result }),
        )
      }
    }
  }
}
