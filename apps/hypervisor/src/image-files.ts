/**
 * Kernels and disks that operators have brought, as files by their SHA-256 in the service's data folder, for the hypervisors of this process.
 *
 * What a hash names never changes: a hypervisor reads here as from a table. A file that is not whole yet has another name, so nobody sees it.
 */
import { createHash } from "node:crypto"
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { IMAGE_BYTES_MAX, type ImageRef } from "@backplane/scenario-machine/vm-spec"
import type { ImageStore } from "@backplane/trap-hypervisor/vm-images"

/** Begins with a dot: no machine has such a name. */
const FOLDER = ".images"
/** Of all images; the ones used longest ago go. */
const STORE_BYTES_MAX = 4 * 2 ** 30
const HASH = /^[0-9a-f]{64}$/

export interface ImagePiece {
  readonly hash: string
  readonly total: number
  readonly offset: number
  readonly data: Uint8Array
}

export class ImageFiles implements ImageStore {
  readonly #folder: string
  /** A service without a data folder keeps them only as long as it lives. */
  readonly #isTemporary: boolean

  constructor(dataFolder: string | null) {
    this.#isTemporary = dataFolder === null
    this.#folder = dataFolder === null ? mkdtempSync(join(tmpdir(), "backplane-images-")) : join(dataFolder, FOLDER)
    mkdirSync(this.#folder, { recursive: true })
  }

  bytes(hash: string): number | null {
    const path = this.#path(hash)
    return path !== null && existsSync(path) ? statSync(path).size : null
  }

  read(hash: string, offset: number, bytes: number): Uint8Array {
    const path = this.#path(hash)
    if (path === null || !existsSync(path)) return new Uint8Array(0)
    const file = openSync(path, "r")
    try {
      const data = new Uint8Array(Math.max(0, Math.min(bytes, fstatSync(file).size - offset)))
      const read = readSync(file, data, 0, data.length, offset)
      return data.subarray(0, read)
    } finally {
      closeSync(file)
    }
  }

  /** Takes a piece and says how much of the image is here. A piece that does not go on where the last ended changes nothing. */
  put({ hash, total, offset, data }: ImagePiece): number {
    const path = this.#path(hash)
    if (path === null) throw new Rejection("hash", "64 hexadecimal digits, the SHA-256 of the file")
    if (total < 1 || total > IMAGE_BYTES_MAX) throw new Rejection("total", `an image has 1 to ${IMAGE_BYTES_MAX} bytes`)
    if (existsSync(path)) {
      const now = new Date()
      utimesSync(path, now, now)
      return statSync(path).size
    }
    const part = `${path}.part`
    const file = openSync(part, existsSync(part) ? "r+" : "w+")
    try {
      const have = fstatSync(file).size
      if (data.length === 0 || offset !== have) return have
      if (have + data.length > total) throw new Rejection("data", `the image has only ${total} bytes`)
      writeSync(file, data, 0, data.length, offset)
      if (have + data.length < total) return have + data.length
    } finally {
      closeSync(file)
    }
    return this.#finish(part, { hash, total })
  }

  /** A file of this computer, taken in at once. */
  importFile(path: string): ImageRef {
    const data = readFileSync(path)
    const hash = createHash("sha256").update(data).digest("hex")
    const total = data.length
    if (this.bytes(hash) === null) {
      rmSync(join(this.#folder, `${hash}.part`), { force: true })
      this.put({ hash, total, offset: 0, data })
    }
    return { hash, bytes: total }
  }

  close(): void {
    if (this.#isTemporary) rmSync(this.#folder, { recursive: true, force: true })
  }

  #finish(part: string, { hash, total }: { readonly hash: string; readonly total: number }): number {
    const found = createHash("sha256").update(readFileSync(part)).digest("hex")
    if (found !== hash) {
      rmSync(part)
      throw new Rejection("data", `what came has the SHA-256 ${found}; bring it again from the beginning`)
    }
    renameSync(part, join(this.#folder, hash))
    this.#prune(hash)
    return total
  }

  #prune(keep: string): void {
    const files = readdirSync(this.#folder)
      .filter((name) => HASH.test(name))
      .map((name) => ({ name, stat: statSync(join(this.#folder, name)) }))
      .sort((a, b) => a.stat.mtimeMs - b.stat.mtimeMs)
    let sum = files.reduce((total, { stat }) => total + stat.size, 0)
    for (const { name, stat } of files) {
      if (sum <= STORE_BYTES_MAX || name === keep) break
      rmSync(join(this.#folder, name))
      sum -= stat.size
    }
  }

  #path(hash: string): string | null {
    return HASH.test(hash) ? join(this.#folder, hash) : null
  }
}
