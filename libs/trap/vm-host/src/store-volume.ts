/**
 * A disk of a VM in the key-value store: chunks in memory, written back by commits. How it lies there is trap/contract's disk-layout.ts.
 *
 * A commit begins as soon as something was written and none is under way: blocks, then pages of the map, then the root. What is written
 * meanwhile goes with the next, so what comes together is stored together and a lone write waits for nobody.
 *
 * B1 A guest reads what it wrote: a chunk that is not stored yet stays in memory.
 * B2 A write that must be durable, and a flush, is answered when the root that has all before it is stored.
 * B3 The root is changed by its owner only. Who finds another owner there fails every request from then on.
 * B4 Chunks in memory that wait to be stored are bounded: beyond that writes are answered when a commit is done.
 */
import { decodeBase64, encodeBase64 } from "@backplane/foundation-base/base64"
import { SECTOR_BYTES, type DiskAnswer, type DiskRequest } from "@backplane/trap-devices/virtio-block/virtio-block"
import type { Durability, LaterDisk } from "@backplane/trap-devices/virtio-block/later-disk"
import { BLOCK_BUCKET, CHUNK_BYTES, HOLE } from "@backplane/trap-contract/disk-layout"
import { VolumeCommit } from "./volume-commit.ts"
import type { VolumeRoot } from "./volume-root.ts"
import { valueOf, VolumeMap, type AskStore } from "./volume-map.ts"

/** Chunks kept in memory: 16 MiB a disk. */
const CHUNKS_MAX = 1024
/** Chunks that wait to be stored before writes wait, too. */
const DIRTY_MAX = 256

type Complete = (answer: DiskAnswer) => void

interface Chunk {
  readonly data: Uint8Array
  isDirty: boolean
  /** Requests and commits that use it: it stays. */
  pins: number
}

const FAILED: DiskAnswer = { kind: "failed" }

export class StoreVolume implements LaterDisk {
  readonly name: string
  readonly #ask: AskStore
  readonly #root: VolumeRoot
  readonly #map: VolumeMap
  /** Used longest ago first. */
  readonly #chunks = new Map<number, Chunk>()
  readonly #coming = new Map<number, ((chunk: Chunk | null) => void)[]>()
  readonly #dirty = new Set<number>()
  /** Grows with each write; what a flush waits for. */
  #version = 0
  #stored = 0
  #committing = false
  #waiting: { readonly version: number; readonly complete: Complete }[] = []
  #whenClean: (() => void)[] = []
  /** Why every request fails from now on; null: none does. */
  #failure: string | null = null
  #commits = 0

  constructor({ name, root, ask }: { readonly name: string; readonly root: VolumeRoot; readonly ask: AskStore }) {
    this.name = name
    this.#ask = ask
    this.#root = root
    this.#map = new VolumeMap(ask)
  }

  get sectors(): number {
    return Math.ceil(this.#root.now.bytes / SECTOR_BYTES)
  }

  submit(request: DiskRequest, durability: Durability, complete: Complete): void {
    if (this.#failure !== null) return complete(FAILED)
    switch (request.kind) {
      case "read":
        return this.#read(Number(request.sector) * SECTOR_BYTES, request.bytes, complete)
      case "write":
        return this.#write(Number(request.sector) * SECTOR_BYTES, request.data, { durability, complete })
      case "flush":
        return this.#whenStored(complete)
    }
  }

  /** Nothing waits to be stored, or nothing ever will be: whoever opens it after us finds all. */
  get isClean(): boolean {
    return this.#failure !== null || (this.#dirty.size === 0 && !this.#committing && this.#waiting.length === 0)
  }

  /** Everything written is stored, or never will be: then the disk is given back. */
  close(done: () => void): void {
    const finish = (): void => {
      this.#root.release(done)
    }
    if (this.#failure !== null) return done()
    if (this.#dirty.size === 0 && !this.#committing) return finish()
    this.#whenClean.push(finish)
    this.#commit()
  }

  inspect(): {
    readonly volume: string
    readonly bytes: number
    readonly dirtyChunks: number
    readonly commits: number
    readonly failure: string | null
  } {
    return {
      volume: this.name,
      bytes: this.#root.now.bytes,
      dirtyChunks: this.#dirty.size,
      commits: this.#commits,
      failure: this.#failure,
    }
  }

  #read(at: number, bytes: number, complete: Complete): void {
    const data = new Uint8Array(bytes)
    this.#withChunks(at, bytes, (parts) => {
      if (parts === null) return complete(FAILED)
      for (const { chunk, from, to, offset } of parts) data.set(chunk.data.subarray(from, to), offset)
      complete({ kind: "done", data })
    })
  }

  #write(at: number, data: Uint8Array, { durability, complete }: { readonly durability: Durability; readonly complete: Complete }): void {
    this.#withChunks(at, data.length, (parts) => {
      if (parts === null) return complete(FAILED)
      this.#version++
      for (const { index, chunk, from, to, offset } of parts) {
        chunk.data.set(data.subarray(offset, offset + to - from), from)
        chunk.isDirty = true
        this.#dirty.add(index)
      }
      if (durability === "at-once" || this.#dirty.size > DIRTY_MAX) this.#whenStored(complete)
      else complete({ kind: "done" })
      this.#commit()
    })
  }

  #whenStored(complete: Complete): void {
    if (this.#stored === this.#version) return complete({ kind: "done" })
    this.#waiting.push({ version: this.#version, complete })
  }

  /** The chunks that a range lies in, all there; null: one of them is lost. */
  #withChunks(at: number, bytes: number, then: (parts: readonly Part[] | null) => void): void {
    const first = Math.floor(at / CHUNK_BYTES)
    const last = Math.floor((at + bytes - 1) / CHUNK_BYTES)
    const parts: (Part | null)[] = new Array<Part | null>(last - first + 1).fill(null)
    let missing = parts.length
    let isLost = false
    for (let index = first; index <= last; index++) {
      this.#withChunk(index, (chunk) => {
        if (chunk === null) isLost = true
        else {
          chunk.pins++
          const from = Math.max(0, at - index * CHUNK_BYTES)
          const to = Math.min(CHUNK_BYTES, at + bytes - index * CHUNK_BYTES)
          parts[index - first] = { index, chunk, from, to, offset: index * CHUNK_BYTES + from - at }
        }
        if (--missing > 0) return
        const all = parts.filter((part) => part !== null)
        then(isLost || this.#failure !== null ? null : all)
        for (const part of all) part.chunk.pins--
        this.#trim()
      })
    }
  }

  #withChunk(index: number, then: (chunk: Chunk | null) => void): void {
    const known = this.#chunks.get(index)
    if (known !== undefined) {
      this.#chunks.delete(index)
      this.#chunks.set(index, known)
      return then(known)
    }
    const coming = this.#coming.get(index)
    if (coming !== undefined) return void coming.push(then)
    this.#coming.set(index, [then])
    this.#map.of(index, this.#root.now.pages, (block) => {
      if (block === null) return this.#came(index, null)
      if (block === HOLE) return this.#came(index, new Uint8Array(CHUNK_BYTES))
      this.#ask({ type: "get", bucket: BLOCK_BUCKET, key: block }, (told) => {
        const text = valueOf(told)
        this.#came(index, text === null ? null : whole(decodeBase64(text)))
      })
    })
  }

  #came(index: number, data: Uint8Array | null): void {
    const chunk = data === null ? null : { data, isDirty: false, pins: 0 }
    if (chunk !== null) this.#chunks.set(index, chunk)
    const waiting = this.#coming.get(index) ?? []
    this.#coming.delete(index)
    for (const then of waiting) then(chunk)
  }

  #trim(): void {
    if (this.#chunks.size <= CHUNKS_MAX) return
    for (const [index, chunk] of this.#chunks) {
      if (this.#chunks.size <= CHUNKS_MAX) return
      if (!chunk.isDirty && chunk.pins === 0) this.#chunks.delete(index)
    }
  }

  #commit(): void {
    if (this.#committing || this.#dirty.size === 0 || this.#failure !== null) return
    this.#committing = true
    const version = this.#version
    const taken = [...this.#dirty].flatMap((index) => {
      const chunk = this.#chunks.get(index)
      if (chunk === undefined) return []
      chunk.isDirty = false
      chunk.pins++
      return [{ index, chunk, text: chunk.data.some((byte) => byte !== 0) ? encodeBase64(chunk.data) : null }]
    })
    this.#dirty.clear()
    new VolumeCommit({ ask: this.#ask, root: this.#root, map: this.#map }).run(taken, (failure) => {
      for (const { chunk } of taken) chunk.pins--
      this.#committing = false
      if (failure !== null) return this.#fail(failure)
      this.#commits++
      this.#stored = version
      this.#answerStored()
      this.#trim()
      if (this.#dirty.size > 0) return this.#commit()
      const whenClean = this.#whenClean
      this.#whenClean = []
      for (const done of whenClean) done()
    })
  }

  #answerStored(): void {
    const stored = this.#waiting.filter(({ version }) => version <= this.#stored)
    this.#waiting = this.#waiting.filter(({ version }) => version > this.#stored)
    for (const { complete } of stored) complete({ kind: "done" })
  }

  #fail(reason: string): void {
    this.#failure ??= reason
    const waiting = this.#waiting
    const whenClean = this.#whenClean
    this.#waiting = []
    this.#whenClean = []
    for (const { complete } of waiting) complete(FAILED)
    for (const done of whenClean) done()
  }
}

/** What of a request lies in one chunk: bytes `from` to `to` of it, `offset` of the request on. */
interface Part {
  readonly index: number
  readonly chunk: Chunk
  readonly from: number
  readonly to: number
  readonly offset: number
}

function whole(data: Uint8Array): Uint8Array | null {
  return data.length === CHUNK_BYTES ? data : null
}
