/**
 * Keeps an actor's values in an append log on files, with one fdatasync for all writes that wait (group commit).
 *
 * What the records look like, when a segment ends and what may be removed is the log's business (`AppendLog`, handed in); this only carries
 * its operations out, in order: `<folder>/<machine>/<actor>/<segment>.log`. A lone write waits for no timer, only for its own sync; what comes
 * while a sync is under way goes with the next. A disk that is full holds everything back and is tried again: nothing is acknowledged meanwhile.
 */
import { mkdir, readdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { setImmediate as nextRound } from "node:timers/promises"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import { syncFolder } from "./folder-sync.ts"
import { withoutRoom } from "./log-room.ts"
import { SegmentFile, type OnRoom } from "./segment-file.ts"
import type { ActorStore, Store } from "./store.ts"

export type LogOperation =
  { readonly op: "append"; readonly segment: number; readonly bytes: Uint8Array } | { readonly op: "remove"; readonly segment: number }

/** A log as a pure object: what to do to the disk comes out, what the disk has done goes in. No bytes that it appends end in a zero (log-room.ts). */
export interface AppendLog {
  readonly values: ReadonlyMap<string, Json>
  begin(): readonly LogOperation[]
  write(key: string, value: Json): readonly LogOperation[]
  /** How far it goes, counted upwards in its own way. */
  readonly position: number
  /** All operations that came before it went so far are synced, later ones may be lost: what may be done now. */
  synced(position: number): readonly LogOperation[]
}

export type OpenAppendLog = (segments: ReadonlyMap<number, Uint8Array>) => AppendLog

const SEGMENT = /^(\d+)\.log$/
type Done = (error: Error | null) => void

export type OnFolderRoom = (folder: string, ...room: Parameters<OnRoom>) => void

function sayRoom(folder: string, room: "none" | "again"): void {
  if (room === "again") console.error(`the disk of ${folder} has room again`)
  else console.error(`the disk of ${folder} is full: nothing is acknowledged until it has room; delete what is not needed there`)
}

export class AppendLogStore implements Store {
  readonly #folder: string
  readonly #openLog: OpenAppendLog
  readonly #onRoom: OnFolderRoom
  readonly #opened = new Map<string, ActorLog>()

  /** `onRoom`: whoever looks after the disks, for an actor that waits for room says nothing itself. */
  constructor(folder: string, openLog: OpenAppendLog, onRoom: OnFolderRoom = sayRoom) {
    this.#folder = folder
    this.#openLog = openLog
    this.#onRoom = onRoom
  }

  open(machine: string, actor: ActorId): ActorStore {
    const path = join(this.#folder, machine, actor)
    const opened = this.#opened.get(path) ?? new ActorLog(path, this.#openLog, (room) => this.#onRoom(path, room))
    this.#opened.set(path, opened)
    return opened
  }

  release(machine: string, actor: ActorId): void {
    const path = join(this.#folder, machine, actor)
    const opened = this.#opened.get(path)
    const forget = (): void => {
      if (opened?.isClosed === true && this.#opened.get(path) === opened) this.#opened.delete(path)
    }
    // A file that cannot be closed has all its writes acknowledged: there is nothing left to lose, and nobody to tell.
    void opened?.close().then(forget, forget)
  }

  /** Actors whose files are open. */
  get openActors(): number {
    return this.#opened.size
  }

  async close(): Promise<void> {
    for (const each of this.#opened.values()) await each.close()
    this.#opened.clear()
  }
}

class ActorLog implements ActorStore {
  readonly #folder: string
  readonly #openLog: OpenAppendLog
  #log: AppendLog | null = null
  #operations: LogOperation[] = []
  #waiting: Done[] = []
  #draining: Promise<void> | null = null
  #closing: Promise<void> | null = null
  /** Nobody reads or writes it: from a close until the next load begins. */
  isClosed = false
  readonly #files = new Map<number, SegmentFile>()
  readonly #onRoom: OnRoom

  constructor(folder: string, openLog: OpenAppendLog, onRoom: OnRoom) {
    this.#folder = folder
    this.#openLog = openLog
    this.#onRoom = onRoom
  }

  async load(): Promise<Restored> {
    this.isClosed = false
    if (this.#closing !== null) await this.#closing
    if (this.#draining !== null) await this.#draining
    await mkdir(this.#folder, { recursive: true })
    const segments = new Map<number, Uint8Array>()
    for (const name of await readdir(this.#folder)) {
      const number = SEGMENT.exec(name)?.[1]
      if (number !== undefined) segments.set(Number(number), withoutRoom(await readFile(join(this.#folder, name))))
    }
    // What only the page cache kept may still go: the checkpoint that begins this life is synced before anything is served.
    this.#log = this.#openLog(segments)
    const values = new Map(this.#log.values)
    this.#operations.push(...this.#log.begin())
    await new Promise<void>((resolve, reject) => this.#enqueue((error) => (error === null ? resolve() : reject(error))))
    return values
  }

  write(key: string, value: Json, done: Done): void {
    if (this.#log === null) return done(new Error("the log is read before it is written"))
    this.#operations.push(...this.#log.write(key, value))
    this.#enqueue(done)
  }

  close(): Promise<void> {
    this.isClosed = true
    this.#closing ??= this.#closeFiles().finally(() => (this.#closing = null))
    return this.#closing
  }

  async #closeFiles(): Promise<void> {
    if (this.#draining !== null) await this.#draining
    this.#log = null
    for (const file of this.#files.values()) await file.close()
    this.#files.clear()
  }

  #enqueue(done: Done): void {
    this.#waiting.push(done)
    this.#draining ??= this.#drain()
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      // What was read from other sockets in the same round of the event loop belongs to this sync.
      await nextRound()
      const operations = this.#operations
      const waiting = this.#waiting
      const position = this.#log?.position ?? 0
      this.#operations = []
      this.#waiting = []
      const error = await this.#commit(operations).then(
        () => null,
        (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason))),
      )
      if (error === null) this.#operations.unshift(...(this.#log?.synced(position) ?? []))
      for (const done of waiting) done(error)
    }
    this.#draining = null
  }

  /** Does the operations in order; neighbours of one segment are one write; then one sync. */
  async #commit(operations: readonly LogOperation[]): Promise<void> {
    const touched = new Set<SegmentFile>()
    let parts: Uint8Array[] = []
    let foldersChanged = false
    for (const [index, operation] of operations.entries()) {
      if (operation.op === "remove") {
        await this.#remove(operation.segment)
        foldersChanged = true
        continue
      }
      parts.push(operation.bytes)
      const next = operations[index + 1]
      if (next?.op === "append" && next.segment === operation.segment) continue
      foldersChanged ||= !this.#files.has(operation.segment)
      const file = this.#files.get(operation.segment) ?? (await this.#create(operation.segment))
      const rest = file.append(inOne(parts))
      if (rest !== null) await rest
      touched.add(file)
      parts = []
    }
    for (const file of touched) await file.sync()
    if (foldersChanged) await syncFolder(this.#folder)
  }

  async #create(segment: number): Promise<SegmentFile> {
    const file = await SegmentFile.create(join(this.#folder, `${segment}.log`), this.#onRoom)
    this.#files.set(segment, file)
    return file
  }

  async #remove(segment: number): Promise<void> {
    await this.#files.get(segment)?.close()
    this.#files.delete(segment)
    await rm(join(this.#folder, `${segment}.log`), { force: true })
  }
}

/** The parts one behind the other: as they lie where they are neighbours, which those that were made together mostly are. */
function inOne(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  if (first === undefined) return Buffer.alloc(0)
  let end = first.byteOffset
  for (const { buffer, byteOffset, byteLength } of parts) {
    if (buffer !== first.buffer || byteOffset !== end) return Buffer.concat(parts)
    end += byteLength
  }
  return new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset)
}
