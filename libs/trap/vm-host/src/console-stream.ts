/**
 * The console of one life of a VM between guest and hypervisor: bytes out until they are seen, bytes in while there is room.
 *
 * Both directions count bytes from the beginning of the life. Nothing is lost: a guest whose output nobody takes has to wait (`isFull`), as at
 * a terminal that does not keep up, and input is taken only as the guest's own queue has room.
 */
import { decodeBase64, encodeBase64 } from "@backplane/foundation-base/base64"
import { GUEST_CONSOLE_BYTES_MAX } from "@backplane/compute-contract/guest-state"
import { CONSOLE_CHUNK_BYTES } from "@backplane/trap-contract/vm-messages"
import type { VmPartContent } from "@backplane/trap-contract/vm-move-messages"
import type { Console } from "@backplane/trap-board/console"

/** Output that waits to be seen before the guest has to wait. */
const OUTPUT_WAITING_MAX = 256 * 1024
/** Input that waits in the guest's own queue before the typist has to wait. */
const INPUT_WAITING_MAX = 16 * 1024

export type ConsoleCapture = Extract<VmPartContent, { of: "state" }>["console"]

export class ConsoleStream {
  readonly #console: Console
  /** The first bytes of all, as an outcome shows them. */
  readonly #first: number[] = []
  /** Output from byte `#seen` on. */
  #unseen = new Uint8Array(0)
  /** Output bytes that the hypervisor has; only grows. */
  #seen = 0
  /** Output bytes that were told at least once; `#seen` ≤ `#told`. */
  #told = 0
  /** Input bytes taken; only grows. */
  #taken = 0

  /** `before`: the streams of the node that the VM comes from, which go on. */
  constructor(console: Console, before: ConsoleCapture | null = null) {
    this.#console = console
    if (before === null) return
    this.#first.push(...decodeBase64(before.first))
    this.#unseen = Uint8Array.from(decodeBase64(before.unseen))
    this.#seen = before.seen
    this.#told = before.seen
    this.#taken = before.taken
  }

  capture(): ConsoleCapture {
    return { first: encodeBase64(this.first()), unseen: encodeBase64(this.#unseen), seen: this.#seen, taken: this.#taken }
  }

  /** Output bytes in all. */
  get bytes(): number {
    return this.#seen + this.#unseen.length
  }

  get taken(): number {
    return this.#taken
  }

  /** Input bytes taken that the guest has not read. */
  get unread(): number {
    return this.#console.waitingBytes
  }

  get hasUnseen(): boolean {
    return this.#unseen.length > 0
  }

  first(): Uint8Array {
    return Uint8Array.from(this.#first)
  }

  /** Takes over what the guest has written. */
  collect(): void {
    const bytes = this.#console.takeOutput()
    if (bytes.length === 0) return
    for (const byte of bytes.subarray(0, GUEST_CONSOLE_BYTES_MAX - this.#first.length)) this.#first.push(byte)
    const joined = new Uint8Array(this.#unseen.length + bytes.length)
    joined.set(this.#unseen)
    joined.set(bytes, this.#unseen.length)
    this.#unseen = joined
  }

  isFull(): boolean {
    return this.#unseen.length >= OUTPUT_WAITING_MAX
  }

  /** The next piece for the hypervisor, or null: one is on the way, or there is none. `again`: what is on the way may be lost. */
  next(again: "again" | "new"): { readonly offset: number; readonly data: string } | null {
    if (this.#unseen.length === 0 || (again === "new" && this.#told > this.#seen)) return null
    const piece = this.#unseen.subarray(0, CONSOLE_CHUNK_BYTES)
    this.#told = this.#seen + piece.length
    return { offset: this.#seen, data: encodeBase64(piece) }
  }

  onSeen(upTo: number): void {
    if (upTo <= this.#seen || upTo > this.bytes) return
    this.#unseen = this.#unseen.slice(upTo - this.#seen)
    this.#seen = upTo
  }

  /** Types what is new of it, as far as there is room. */
  onInput(offset: number, data: string): void {
    const bytes = decodeBase64(data)
    const known = this.#taken - offset
    if (known < 0 || known >= bytes.length) return // a gap: what is missing is said again; or a repeat
    const room = Math.max(0, INPUT_WAITING_MAX - this.#console.waitingBytes)
    this.#taken += this.#console.feed(bytes.subarray(known, known + room))
  }
}
