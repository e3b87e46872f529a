/** Where actors' `persist` effects go. A store is opened per actor; its writes are done in order of the effects. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"

export interface ActorStore {
  /** All that is on disk for the actor. Throws `StoreDamagedError` where a file is not what was written. */
  load(): Promise<Restored>
  /** Writes `value` under `key` (null removes it); calls `done` once it would survive a loss of power. */
  write(key: string, value: Json, done: (error: Error | null) => void): void
}

export interface Store {
  open(machine: string, actor: ActorId): ActorStore
  /**
   * Nobody here hosts the actor any more: what is held for it is let go of once its writes are done, and what it kept stays on disk. Without this a
   * process that hosts machine after machine would hold the files of all that there ever were. Opening it again is right at any time.
   */
  release?(machine: string, actor: ActorId): void
  /** Waits for writes under way and lets go of files. A store that is not closed loses nothing. */
  close?(): Promise<void>
}

/** A file that was written by us and changed since, or never finished: names the file and what to do. */
export class StoreDamagedError extends Error {
  override readonly name = "StoreDamagedError"
  readonly path: string

  constructor(path: string, what: string) {
    super(`${path} is damaged: ${what}. Restore it from a copy, or move it away to let the actor start without it`)
    this.path = path
  }
}

/** Keeps everything in memory: for tests and for services without a data folder. */
export class MemoryStore implements Store {
  readonly #values = new Map<string, Map<string, Json>>()

  open(machine: string, actor: ActorId): ActorStore {
    const place = `${machine}/${actor}`
    const values = this.#values.get(place) ?? new Map<string, Json>()
    this.#values.set(place, values)
    return {
      load: () => Promise.resolve(new Map(values)),
      write: (key, value, done) => {
        if (value === null) values.delete(key)
        else values.set(key, value)
        setImmediate(() => done(null))
      },
    }
  }
}
