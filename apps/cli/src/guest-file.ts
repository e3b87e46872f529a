/** A guest image from a file, or one clear failure. */
import { readFileSync } from "node:fs"
import { explain } from "@backplane/compute-image/rejection"
import { readImage } from "@backplane/compute-image/image"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { CommandFailure } from "./failure.ts"
import type { GuestImage } from "@backplane/compute-image/image"

/** Exit code of a command that was asked for something impossible: guests have the codes up to 1 for themselves. */
export const BAD_INPUT = 2

export function readFile(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandFailure("bad-input", `cannot read ${path}: ${reason}`, { exitCode: BAD_INPUT, details: { field: path } })
  }
}

export function readGuest(path: string, memoryBytes: number): GuestImage {
  const image = readImage(readFile(path), { memory: { base: RAM_BASE, bytes: BigInt(memoryBytes) }, symbols: ["tohost", "fromhost"] })
  if (image.kind === "rejection") {
    throw new CommandFailure("bad-input", `${path}: ${explain(image)}`, { exitCode: BAD_INPUT, details: { field: image.field } })
  }
  return image
}
