/** An image for a board with RAM where QEMU's `virt` has it, with the symbols that the board looks at; or one line that says why not. */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { readImage, type GuestImage } from "./image.ts"
import { explain } from "./rejection.ts"

/** HTIF's words: a guest that has them ends and speaks through them. */
const SYMBOLS = ["tohost", "fromhost"]

export function readGuestImage(file: Uint8Array, memoryBytes: number): GuestImage | { readonly refusal: string } {
  const image = readImage(file, { memory: { base: RAM_BASE, bytes: BigInt(memoryBytes) }, symbols: SYMBOLS })
  return image.kind === "image" ? image : { refusal: explain(image) }
}
