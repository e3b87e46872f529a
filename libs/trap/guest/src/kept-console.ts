/** The first bytes that a guest has written to its console, and how many there were: a guest that writes for ever fills nothing. */
import { decodeBase64, encodeBase64 } from "@backplane/foundation-base/base64"
import { GUEST_CONSOLE_BYTES_MAX, type GuestState } from "@backplane/compute-contract/guest-state"

export class KeptConsole {
  readonly #kept: number[]
  /** All bytes ever written. Only grows. */
  #bytes: number

  constructor(before: GuestState["console"] | null) {
    this.#kept = before === null ? [] : [...decodeBase64(before.kept)]
    this.#bytes = before === null ? 0 : before.bytes
  }

  add(bytes: Uint8Array): void {
    this.#bytes += bytes.length
    for (const byte of bytes.subarray(0, GUEST_CONSOLE_BYTES_MAX - this.#kept.length)) this.#kept.push(byte)
  }

  get bytes(): number {
    return this.#bytes
  }

  kept(): Uint8Array {
    return Uint8Array.from(this.#kept)
  }

  capture(): GuestState["console"] {
    return { kept: encodeBase64(this.kept()), bytes: this.#bytes }
  }
}
