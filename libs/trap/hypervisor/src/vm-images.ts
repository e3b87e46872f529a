/** Gives nodes the images that their VMs boot: piece by piece, as asked. */
import { send } from "@backplane/foundation-actor/effects"
import { encodeBase64 } from "@backplane/foundation-base/base64"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { IMAGE_CHUNK_BYTES, type ImageAsk } from "@backplane/trap-contract/vm-messages"
import type { Out } from "./hypervisor-context.ts"

/**
 * Where images lie, by what is in them: files of the process, or bytes in a simulation. What a hash names never changes, so a hypervisor
 * that reads here is as deterministic as one that does not.
 */
export interface ImageStore {
  /** Its length, or null where nobody has brought it. */
  bytes(hash: string): number | null
  /** At most so many bytes from there on. */
  read(hash: string, offset: number, bytes: number): Uint8Array
}

export const NO_IMAGES: ImageStore = { bytes: () => null, read: () => new Uint8Array(0) }

export function answerImage(images: ImageStore, { hash, offset, node }: ImageAsk, out: Out): void {
  const total = images.bytes(hash)
  if (total === null) return void out.push(send(nodeActor(node), { kind: "ImageUnknown", hash }))
  if (offset >= total) return
  const data = encodeBase64(images.read(hash, offset, IMAGE_CHUNK_BYTES))
  out.push(send(nodeActor(node), { kind: "ImageChunk", hash, offset, total, data }))
}
