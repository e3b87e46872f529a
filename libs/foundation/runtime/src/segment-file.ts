/**
 * One file of a log: appended to, synced, closed.
 *
 * Appends go into the page cache in place; a sync is left to the thread pool even where the disk is fast. In place it costs less by itself, but while a
 * process waits for its disk it reads and sends nothing, and its peers soon wait for it: a quarter of the machine stood still (`kv bench`).
 */
import { fdatasync, writeSync } from "node:fs"
import { open, type FileHandle } from "node:fs/promises"
import { roomBehind, ROOM_PIECE_BYTES } from "./log-room.ts"

/** A disk that full is tried again after this. */
const FULL_RETRY_MILLISECONDS = 50

const ZEROS = Buffer.alloc(ROOM_PIECE_BYTES)

/** Hears that a disk is full and everything waits for it, and that it has room again. */
export type OnRoom = (room: "none" | "again") => void

export class SegmentFile {
  readonly #handle: FileHandle
  readonly #onRoom: OnRoom
  #bytes = 0
  /** The file is so long: what is behind `#bytes` is room. */
  #length = 0

  private constructor(handle: FileHandle, onRoom: OnRoom) {
    this.#handle = handle
    this.#onRoom = onRoom
  }

  static async create(path: string, onRoom: OnRoom): Promise<SegmentFile> {
    return new SegmentFile(await open(path, "w", 0o600), onRoom)
  }

  /** At its place in the file, so that a part that found no room before is written over. Null: done; nothing is to be waited for. */
  append(bytes: Uint8Array): Promise<void> | null {
    const done = this.#write(bytes, this.#bytes)
    if (done < bytes.length) return this.#appendRest(bytes, done)
    this.#bytes += bytes.length
    if (this.#bytes > this.#length) this.#makeRoom()
    return null
  }

  async #appendRest(bytes: Uint8Array, from: number): Promise<void> {
    this.#onRoom("none")
    for (let done = from; done < bytes.length; done += this.#write(bytes.subarray(done), this.#bytes + done))
      await new Promise((resolve) => setTimeout(resolve, FULL_RETRY_MILLISECONDS))
    this.#bytes += bytes.length
    this.#onRoom("again")
  }

  /** Less of it, or none, where the disk is full: then it is needed for better things. */
  #makeRoom(): void {
    const end = roomBehind(this.#bytes)
    this.#length = this.#bytes
    while (this.#length < end) {
      const piece = Math.min(end, this.#length + ROOM_PIECE_BYTES - (this.#length % ROOM_PIECE_BYTES)) - this.#length
      const done = this.#write(ZEROS.subarray(0, piece), this.#length)
      this.#length += done
      if (done < piece) return
    }
  }

  /** Into the page cache, which is never slow enough to be worth a thread. How much of it: less than all where the disk is full. */
  #write(bytes: Uint8Array, place: number): number {
    let done = 0
    try {
      while (done < bytes.length) done += writeSync(this.#handle.fd, bytes, done, bytes.length - done, place + done)
    } catch (error) {
      if (!(error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT"))) throw error
    }
    return done
  }

  /** By the plain callback, which costs a third of what a file handle's promises do. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) =>
      fdatasync(this.#handle.fd, (error) => {
        if (error === null) resolve()
        else reject(error)
      }),
    )
  }

  async close(): Promise<void> {
    if (this.#length > this.#bytes) await this.#handle.truncate(this.#bytes)
    await this.#handle.close()
  }
}
