/** Reads the guests that a scenario names: every file is checked before anything starts. How a file is read is the caller's. */
import { encodeBase64 } from "@backplane/foundation-base/base64"
import { GUEST_IMAGE_BYTES_MAX, type GuestFileReader } from "@backplane/scenario-machine/guest-spec"
import { Rejection } from "@backplane/scenario-machine/rejection"
import type { GuestParts } from "./guest-parts.ts"
import { imageRefusal } from "./guest-engine.ts"

export function guestFileReader(readFile: (file: string) => Uint8Array, parts: Pick<GuestParts, "readImage">): GuestFileReader {
  return ({ file, memoryBytes }, field) => {
    const bytes = read(file, field, readFile)
    if (bytes.length > GUEST_IMAGE_BYTES_MAX)
      throw new Rejection(
        field,
        `${file} has ${bytes.length} bytes, and a guest may have ${GUEST_IMAGE_BYTES_MAX}; strip it, or take a smaller one`,
      )
    const refusal = imageRefusal(bytes, memoryBytes, parts)
    if (refusal !== null) throw new Rejection(field, `${file}: ${refusal}`)
    return encodeBase64(bytes)
  }
}

function read(file: string, field: string, readFile: (file: string) => Uint8Array): Uint8Array {
  try {
    return readFile(file)
  } catch (error) {
    throw new Rejection(field, `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}
