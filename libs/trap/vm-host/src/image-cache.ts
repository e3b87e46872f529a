/**
 * The images that a node has: kernels and disks by their hash. They come in pieces, one after the other, and count once they are whole and
 * what came is what was named.
 *
 * Not here: who has them first (the hypervisor's store). At most CACHE_BYTES_MAX stay when nobody uses them; the oldest go.
 */
import { decodeBase64 } from "@backplane/foundation-base/base64"
import type { ImageRef } from "@backplane/scenario-machine/vm-spec"
import type { ImageChunk } from "@backplane/trap-contract/vm-messages"

const CACHE_BYTES_MAX = 256 * 2 ** 20

interface Arriving {
  readonly bytes: Uint8Array
  /** Bytes that are there, from the first. Only grows. */
  have: number
}

export class ImageCache {
  readonly #digest: (bytes: Uint8Array) => string
  /** Oldest use first. */
  readonly #whole = new Map<string, Uint8Array>()
  readonly #arriving = new Map<string, Arriving>()

  constructor(digest: (bytes: Uint8Array) => string) {
    this.#digest = digest
  }

  /** The image, or null where it is not (wholly) there. */
  get({ hash }: ImageRef): Uint8Array | null {
    const bytes = this.#whole.get(hash)
    if (bytes === undefined) return null
    this.#whole.delete(hash)
    this.#whole.set(hash, bytes)
    return bytes
  }

  /** From where on the image is wanted. */
  expect({ hash, bytes }: ImageRef): number {
    const known = this.#arriving.get(hash)
    if (known !== undefined) return known.have
    this.#arriving.set(hash, { bytes: new Uint8Array(bytes), have: 0 })
    return 0
  }

  /** Takes a piece in. "more": ask on. "ignored": a repeat, or one that nobody waits for. Text: why the image can never be had. */
  receive({ hash, offset, total, data }: ImageChunk): "whole" | "more" | "ignored" | { readonly refusal: string } {
    const image = this.#arriving.get(hash)
    if (image === undefined || offset !== image.have) return "ignored"
    const piece = decodeBase64(data)
    if (total !== image.bytes.length || piece.length === 0 || offset + piece.length > total) {
      this.#arriving.delete(hash)
      return { refusal: `the image has ${total} bytes and not the ${image.bytes.length} that were said` }
    }
    image.bytes.set(piece, offset)
    image.have += piece.length
    if (image.have < total) return "more"
    this.#arriving.delete(hash)
    const found = this.#digest(image.bytes)
    if (found !== hash) return { refusal: `what came of the image ${hash.slice(0, 12)} is ${found.slice(0, 12)}` }
    this.#keep(hash, image.bytes)
    return "whole"
  }

  forget(hash: string): void {
    this.#arriving.delete(hash)
  }

  /** For people. */
  sizes(): readonly { readonly hash: string; readonly bytes: number }[] {
    return [...this.#whole].map(([hash, bytes]) => ({ hash, bytes: bytes.length }))
  }

  #keep(hash: string, bytes: Uint8Array): void {
    this.#whole.set(hash, bytes)
    let sum = [...this.#whole.values()].reduce((total, each) => total + each.length, 0)
    for (const [oldest, image] of this.#whole) {
      if (sum <= CACHE_BYTES_MAX || oldest === hash) break
      this.#whole.delete(oldest)
      sum -= image.length
    }
  }
}
