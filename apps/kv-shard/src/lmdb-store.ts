/**
 * The second backend: an actor's values in an LMDB file each, `<folder>/<machine>/<actor>.lmdb`, for values that are to be looked up where they lie.
 *
 * Every value is a record of the log (kv/store) with its checksum: LMDB has none of its own, so without it a flipped bit would be served. What does not
 * decode is dropped and told under DAMAGE_KEY, as the log tells it. Writes of one turn are one commit; answered when that is synced.
 * Limits: no checkpoints to write and none to read at a start, but each commit rewrites pages, so small writes cost more than appends; the replica
 * above still keeps its index in memory.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import { StoreDamagedError, type ActorStore, type Store } from "@backplane/foundation-runtime/store"
import { DAMAGE_KEY } from "@backplane/kv-store/log-store"
import { decodeRecord, encodeRecord, type EncodeText } from "@backplane/kv-store/log-record"
import { open, type RootDatabase } from "lmdb"

export class LmdbStore implements Store {
  readonly #folder: string
  readonly #encode: EncodeText
  readonly #opened = new Map<string, LmdbActorStore>()

  constructor(folder: string, encode: EncodeText) {
    this.#folder = folder
    this.#encode = encode
  }

  open(machine: string, actor: ActorId): ActorStore {
    const folder = join(this.#folder, machine)
    const path = join(folder, `${actor}.lmdb`)
    mkdirSync(folder, { recursive: true })
    const opened = this.#opened.get(path) ?? new LmdbActorStore(path, this.#encode)
    this.#opened.set(path, opened)
    return opened
  }

  /** Waits for writes under way. */
  async close(): Promise<void> {
    for (const each of this.#opened.values()) await each.close()
    this.#opened.clear()
  }
}

class LmdbActorStore implements ActorStore {
  readonly #path: string
  readonly #encode: EncodeText
  #database: RootDatabase<Buffer, Buffer> | null = null
  #sequence = 0

  constructor(path: string, encode: EncodeText) {
    this.#path = path
    this.#encode = encode
  }

  async load(): Promise<Restored> {
    const database = this.#open()
    await database.committed
    const values = new Map<string, Json>()
    const damaged: string[] = []
    for (const { key, value } of database.getRange()) {
      const record = decodeRecord(value, 0)?.record
      const name = key.toString("utf8")
      // A record in another's place decodes all the same: it must name its key.
      if (record?.kind !== "put" || record.key !== name) damaged.push(name)
      else {
        values.set(name, record.value)
        this.#sequence = Math.max(this.#sequence, record.sequence)
      }
    }
    if (damaged.length > 0) {
      const told: Json = damaged.map((key) => ({ segment: 0, offset: 0, bytes: 0, what: "unreadable", key }))
      values.set(DAMAGE_KEY, told)
      // Told before it is forgotten which: a crash between the two must not hide it.
      await this.#put(database, DAMAGE_KEY, told)
      await Promise.all(damaged.map((key) => database.remove(Buffer.from(key))))
    }
    return values
  }

  write(key: string, value: Json, done: (error: Error | null) => void): void {
    if (this.#database === null) return done(new Error("the store is read before it is written"))
    const written = value === null ? this.#database.remove(Buffer.from(key)) : this.#put(this.#database, key, value)
    written.then(
      () => done(null),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    )
  }

  async close(): Promise<void> {
    await this.#database?.close()
    this.#database = null
  }

  #put(database: RootDatabase<Buffer, Buffer>, key: string, value: Json): Promise<boolean> {
    const bytes = encodeRecord({ kind: "put", sequence: ++this.#sequence, key, value }, this.#encode)
    return database.put(Buffer.from(key), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  #open(): RootDatabase<Buffer, Buffer> {
    if (this.#database !== null) return this.#database
    try {
      // No overlap of sync and commit: an answer means that the disk has it.
      this.#database = open<Buffer, Buffer>({
        path: this.#path,
        noSubdir: true,
        encoding: "binary",
        keyEncoding: "binary",
        overlappingSync: false,
      })
      return this.#database
    } catch (error) {
      throw new StoreDamagedError(this.#path, error instanceof Error ? error.message : String(error))
    }
  }
}
