/** A guest image from a file, or one clear failure. */
import { readFileSync } from "node:fs"
import { explain } from "@backplane/compute-image/rejection"
import { readImage } from "@backplane/compute-image/image"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { bad } from "./failure.ts"
import type { GuestImage } from "@backplane/compute-image/image"

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "it may not be read",
}

/** `flag`: what gave the path, named where it cannot be read. */
export function readFile(path: string, flag: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException
    throw bad(flag, `cannot read ${JSON.stringify(path)}: ${REASONS[code] ?? message}; give a file that can be read`)
  }
}

export function readGuest(path: string, memoryBytes: number, flag: string): GuestImage {
  const image = readImage(readFile(path, flag), { memory: { base: RAM_BASE, bytes: BigInt(memoryBytes) }, symbols: ["tohost", "fromhost"] })
  if (image.kind === "rejection") throw bad(flag, `${path}: ${explain(image)}`, image.field)
  return image
}
