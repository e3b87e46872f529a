/**
 * A replica with its append log on a disk that can break: what the live host does with a file, for the simulator.
 *
 * The machine's writes become records of the log; all of one step share one sync, which takes as long as the world's `persistLatency`; when it
 * is done the machine hears `persisted` for each key, in order. A full disk holds everything back until there is room. The world's own
 * keyed disk is only the clock of the syncs.
 */
import { persist, timer } from "@backplane/foundation-actor/effects"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import type { Random } from "@backplane/foundation-base/random"
import { BrokenDisk } from "@backplane/kv-store/broken-disk"
import { DAMAGE_KEY, LogStore, type DiskOperation, type LogStoreOptions } from "@backplane/kv-store/log-store"
import type { Segments } from "@backplane/kv-store/recovery"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { WIRE_VERSION } from "@backplane/kv-contract/forms"
import { peerBehind } from "./link-faults.ts"
import { throughEdge, type OldEdge } from "./mixed-versions.ts"
import type { ReplicaMachine } from "@backplane/kv-replica/replica"

const SYNC = "disk/sync"
const RETRY = "disk/retry"
const RETRY_CYCLES = 50_000

/** The part that survives a crash of its machine. */
export class SimulatedDisk {
  readonly disk = new BrokenDisk()
  /** What a sync has truly covered, by key: for the checker of acknowledgements. */
  readonly durable = new Map<string, Json>()
  /** A copy to fall back to at the next start, as from an old backup. */
  restoreFrom: Segments | null = null
  damages = 0
}

/** Bugs of a host that keeps a log badly; all false for a good one. */
export interface DiskBugs {
  /** Says that a write is on disk at once, without a sync. */
  readonly skipsSync: boolean
  /** Starts on what recovery saved and says nothing of what it did not. */
  readonly hidesDamage: boolean
}

/** The version of its program, and what that makes of later ones. */
export interface Program {
  readonly version: number
  readonly edge: OldEdge
}

const PRESENT: Program = { version: WIRE_VERSION, edge: "refuses" }

export const NO_DISK_BUGS: DiskBugs = { skipsSync: false, hidesDamage: false }

interface Sync {
  readonly covered: ReadonlyMap<number, number>
  /** How far the log went when it began. */
  readonly position: number
  readonly writes: readonly (readonly [string, Json])[]
}

/** As a live host has it; the pure one is the laws' of kv/store. */
const HOST_TEXT: Required<Pick<LogStoreOptions, "encode" | "decode">> = {
  encode: (text, room) => {
    const bytes = Buffer.allocUnsafe(room + Buffer.byteLength(text))
    bytes.write(text, room)
    return bytes
  },
  decode: (bytes, start, end) => Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString(),
}

export class DiskedReplica implements Machine<KvMessage, KvMessage> {
  readonly inner: ReplicaMachine
  readonly #place: SimulatedDisk
  readonly #random: Random
  readonly #bugs: DiskBugs
  readonly #id: ActorId
  readonly #program: Program
  #store: LogStore | null = null
  /** Operations that found no room, and all after them. */
  #blocked: DiskOperation[] = []
  #unsynced: (readonly [string, Json])[] = []
  readonly #syncs: Sync[] = []

  constructor(
    inner: ReplicaMachine,
    place: SimulatedDisk,
    random: Random,
    {
      bugs = NO_DISK_BUGS,
      program = PRESENT,
    }: {
      readonly bugs?: DiskBugs | undefined
      readonly program?: Program
    } = {},
  ) {
    this.#bugs = bugs
    this.#program = program
    this.#id = inner.view.id
    this.inner = inner
    this.#place = place
    this.#random = random
  }

  start(now: VirtualTime): readonly Effect<KvMessage>[] {
    const { disk } = this.#place
    disk.crash(this.#random)
    if (this.#place.restoreFrom !== null) disk.restore(this.#place.restoreFrom)
    this.#place.restoreFrom = null
    const store = new LogStore(disk.segments(), { segmentBytesMin: 20_000, ...HOST_TEXT })
    this.#store = store
    if (store.damage.length > 0) this.#place.damages++
    // A host syncs what it found before it serves it: what only the page cache kept may still go.
    disk.sync(disk.lengths())
    this.#place.durable.clear()
    for (const [key, value] of store.values) this.#place.durable.set(key, value)
    this.#do(store.begin())
    const values = new Map(store.values)
    if (this.#bugs.hidesDamage) values.delete(DAMAGE_KEY)
    return this.#carried(now, this.inner.start(now, values), "always")
  }

  step(now: VirtualTime, input: Input<KvMessage>): readonly Effect<KvMessage>[] {
    if (input.kind === "persisted" && input.key === SYNC) return this.#onSynced(now)
    if (input.kind === "timer" && input.key === RETRY) return this.#carried(now, [], "always")
    if (input.kind !== "message") return this.#carried(now, this.inner.step(now, input), "if written")
    const body = throughEdge(input.body, this.#program.version, this.#program.edge)
    if (body === null) return []
    const heard = { ...input, body, from: peerBehind(input.from, this.#id) }
    return this.#carried(now, this.inner.step(now, heard), "if written")
  }

  #onSynced(now: VirtualTime): readonly Effect<KvMessage>[] {
    const sync = this.#syncs.shift()
    if (sync === undefined) return []
    const { disk, durable } = this.#place
    if (!this.#bugs.skipsSync) disk.sync(sync.covered)
    if (!disk.lies && !this.#bugs.skipsSync) for (const [key, value] of sync.writes) durable.set(key, value)
    this.#do(this.#store?.synced(sync.position) ?? [])
    return sync.writes.flatMap(([key]) => this.#carried(now, this.inner.step(now, { kind: "persisted", key }), "if written"))
  }

  /** Puts the machine's writes into the log and passes the rest on; asks for a sync where there is something to sync. */
  #carried(now: VirtualTime, effects: readonly Effect<KvMessage>[], sync: "always" | "if written"): readonly Effect<KvMessage>[] {
    const carried: Effect<KvMessage>[] = []
    let written = sync === "always"
    if (this.#blocked.length > 0) this.#do([])
    for (const effect of effects) {
      if (effect.kind !== "persist") {
        carried.push(effect)
        continue
      }
      written = true
      this.#do(this.#store?.write(effect.key, effect.value) ?? [])
      this.#unsynced.push([effect.key, effect.value])
    }
    if (this.#blocked.length > 0) carried.push(timer(RETRY, after(now, RETRY_CYCLES)))
    else if (written) {
      this.#syncs.push({ covered: this.#place.disk.lengths(), writes: this.#unsynced, position: this.#store?.position ?? 0 })
      this.#unsynced = []
      carried.push(persist(SYNC, this.#syncs.length))
    }
    return carried
  }

  #do(operations: readonly DiskOperation[]): void {
    this.#blocked.push(...operations)
    while (this.#blocked[0] !== undefined && this.#place.disk.do(this.#blocked[0])) this.#blocked.shift()
  }
}
