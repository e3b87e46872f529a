/** Kernels and disks of a simulation: bytes by their hash. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import type { ImageRef } from "@backplane/scenario-machine/vm-spec"
import type { ImageStore } from "@backplane/trap-hypervisor/vm-images"

export class MemoryImages implements ImageStore {
  readonly #images = new Map<string, Uint8Array>()

  add(bytes: Uint8Array): ImageRef {
    const hash = createHash("sha256").update(bytes).digest("hex")
    this.#images.set(hash, bytes)
    return { hash, bytes: bytes.length }
  }

  bytes(hash: string): number | null {
    return this.#images.get(hash)?.length ?? null
  }

  read(hash: string, offset: number, bytes: number): Uint8Array {
    return this.#images.get(hash)?.subarray(offset, offset + bytes) ?? new Uint8Array(0)
  }
}

export function imagesOf(files: readonly string[]): MemoryImages {
  const images = new MemoryImages()
  for (const file of files) images.add(readFileSync(file))
  return images
}
