/**
 * What one actor has persisted: survives its crash. A write is on disk once synced; until then a crash may lose it.
 *
 * It is not a file system: torn writes and flipped bits are the business of the store that has a disk under it.
 */
import { compareText, type Json } from "@backplane/foundation-base/json"
import type { Random } from "@backplane/foundation-base/random"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

interface Write {
  readonly key: string
  /** Null removes the key. */
  readonly value: Json
  readonly syncedAt: VirtualTime
}

/** What a crash does to writes that were not synced: `all` lost, `some` (each by a fair coin), or `none`. */
export type UnsyncedLoss = "none" | "some" | "all"

export class Disk {
  readonly #synced = new Map<string, Json>()
  /** In the order written, hence by `syncedAt`. */
  #unsynced: Write[] = []

  write(key: string, value: Json, syncedAt: VirtualTime): void {
    this.#unsynced.push({ key, value, syncedAt })
  }

  /** Everything written to be synced at or before `now` is on disk. */
  sync(now: VirtualTime): void {
    let done = 0
    for (; done < this.#unsynced.length; done++) {
      const write = this.#unsynced[done]
      if (write === undefined || write.syncedAt > now) break
      this.#apply(write)
    }
    if (done > 0) this.#unsynced.splice(0, done)
  }

  /** The host went down: `loss` decides what becomes of the unsynced writes. Returns how many were lost. */
  crash(loss: UnsyncedLoss, random: Random): number {
    let lost = 0
    for (const write of this.#unsynced) {
      const keeps = loss === "none" || (loss === "some" && random.chance(0.5))
      if (keeps) this.#apply(write)
      else lost++
    }
    this.#unsynced = []
    return lost
  }

  /** What a restarted actor finds, in the order of keys. */
  restored(): ReadonlyMap<string, Json> {
    return new Map([...this.#synced].sort((a, b) => compareText(a[0], b[0])))
  }

  #apply(write: Write): void {
    if (write.value === null) this.#synced.delete(write.key)
    else this.#synced.set(write.key, write.value)
  }
}
