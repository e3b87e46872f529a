/**
 * One JSON file per actor and key: `<folder>/<machine>/<actor>/<key>.json`, holding `{"crc32": "…", "key": …, "value": …}`.
 *
 * A write is atomic: temporary file, fsync, rename, fsync of the folder. A crash leaves the old or the new, never a mixture;
 * the checksum tells when a disk did not keep to that. Writes to one actor go one after the other; while one is under way a
 * newer value for the same key replaces the one that waits, so at most one write a key waits.
 */
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import { canonicalJson, compareText, type Json } from "@backplane/foundation-base/json"
import { isMissing, syncFolder } from "./folder-sync.ts"
import { StoreDamagedError, type ActorStore, type Store } from "./store.ts"

const SUFFIX = ".json"
const TEMPORARY = ".tmp"

export class FileStore implements Store {
  readonly #folder: string
  /** One object a folder, so that an actor hosted again waits for the writes of its predecessor. */
  readonly #opened = new Map<string, ActorFolder>()

  constructor(folder: string) {
    this.#folder = folder
  }

  open(machine: string, actor: ActorId): ActorStore {
    const path = join(this.#folder, machine, actor)
    const opened = this.#opened.get(path) ?? new ActorFolder(path)
    this.#opened.set(path, opened)
    return opened
  }

  release(machine: string, actor: ActorId): void {
    const path = join(this.#folder, machine, actor)
    const opened = this.#opened.get(path)
    void opened?.written().then(() => {
      if (opened.isIdle && this.#opened.get(path) === opened) this.#opened.delete(path)
    })
  }
}

type Done = (error: Error | null) => void

interface Waiting {
  value: Json
  readonly done: Done[]
}

class ActorFolder implements ActorStore {
  readonly #folder: string
  /** By key, oldest first. At most one entry a key. */
  readonly #waiting = new Map<string, Waiting>()
  #writing: Promise<void> | null = null
  #made = false
  /** Nobody has read it since `written` was asked for. */
  isIdle = false

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Nobody is to write any more: settles when all is done. */
  async written(): Promise<void> {
    this.isIdle = true
    await this.#writing
  }

  async load(): Promise<Restored> {
    this.isIdle = false
    if (this.#writing !== null) await this.#writing
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (isMissing(error)) return []
      throw error
    })
    const restored = new Map<string, Json>()
    for (const name of names.filter((each) => each.endsWith(SUFFIX)).sort(compareText)) {
      const [key, value] = await readChecked(join(this.#folder, name))
      restored.set(key, value)
    }
    return restored
  }

  write(key: string, value: Json, done: Done): void {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) {
      this.#waiting.set(key, { value, done: [done] })
    } else {
      waiting.value = value
      waiting.done.push(done)
    }
    this.#writing ??= this.#drain()
  }

  async #drain(): Promise<void> {
    for (;;) {
      const next = this.#waiting.entries().next()
      if (next.done === true) break
      const [key, { value, done }] = next.value
      this.#waiting.delete(key)
      const error = await this.#put(key, value).then(
        () => null,
        (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason))),
      )
      for (const each of done) each(error)
    }
    this.#writing = null
  }

  async #put(key: string, value: Json): Promise<void> {
    if (!this.#made) await mkdir(this.#folder, { recursive: true })
    this.#made = true
    const path = join(this.#folder, fileName(key))
    if (value === null) {
      await rm(path, { force: true })
    } else {
      const file = await open(path + TEMPORARY, "w", 0o600)
      try {
        await file.writeFile(textOf(key, value))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(path + TEMPORARY, path)
    }
    await syncFolder(this.#folder)
  }
}

/** A key can hold what a file's name cannot: all but small letters, digits and dashes become `%xx` of their UTF-8. */
function fileName(key: string): string {
  const safe = [...Buffer.from(key, "utf8")].map((byte) => {
    const character = String.fromCharCode(byte)
    return /[a-z0-9-]/.test(character) ? character : `%${byte.toString(16).padStart(2, "0")}`
  })
  return safe.join("") + SUFFIX
}

function textOf(key: string, value: Json): string {
  return `{"crc32":"${checksum(key, value)}","key":${JSON.stringify(key)},"value":${canonicalJson(value)}}\n`
}

function checksum(key: string, value: Json): string {
  return crc32(canonicalJson([key, value]))
    .toString(16)
    .padStart(8, "0")
}

async function readChecked(path: string): Promise<readonly [string, Json]> {
  const text = await readFile(path, "utf8")
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new StoreDamagedError(path, "it is no JSON")
  }
  if (content === null || typeof content !== "object") throw new StoreDamagedError(path, "it is no object")
  const { crc32: written, key, value } = content as { crc32?: unknown; key?: unknown; value?: Json }
  if (typeof key !== "string" || value === undefined) throw new StoreDamagedError(path, "key or value is missing")
  if (written !== checksum(key, value))
    throw new StoreDamagedError(path, `its checksum is ${String(written)}, its content's ${checksum(key, value)}`)
  return [key, value]
}
