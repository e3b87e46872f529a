/**
 * A terminal at a VM's console: what the guest writes goes out, what is typed goes in, Ctrl-] leaves.
 *
 * Not here: the bus (vm-client.ts), raw mode (console-terminal.ts). Nothing typed is dropped: while the guest's queue is full the rest waits,
 * and what feeds us is told to hold on. Input from a file or pipe is typed to its end; then the session is over when the guest has nothing more to say.
 */
import type { ConsolePort } from "./vm-client.ts"

const LEAVE = 0x1d // Ctrl-]
const FULL_WAIT_MILLISECONDS = 20
/** Between two looks at a VM that is not running, where an answer comes at once. */
const REST_MILLISECONDS = 200
/** After the end of the input: how often it is looked whether the guest still says something. */
const LOOK_MILLISECONDS = 200
/** So long without a word, and it has said what it had to say. */
const QUIET_MILLISECONDS = 2_000
/** A guest that has not said anything yet still boots: it is given so long for its first word, and one that never stops is heard for so long. */
const PATIENCE_MILLISECONDS = 30_000
/** Input that waits here before the typist has to. */
const WAITING_BYTES_MAX = 64 * 1024

export interface SessionEnds {
  readonly output: (bytes: Uint8Array) => void
  /** Called with true when no more shall be typed for now. */
  readonly hold: (hold: boolean) => void
}

export type SessionEnd =
  | { readonly kind: "left" }
  /** The input was typed to its end, and the guest has answered or had its time for it. */
  | { readonly kind: "input-ended" }
  /** For PATIENCE_MILLISECONDS the guest has taken nothing of the rest of the input. */
  | { readonly kind: "stalled"; readonly state: string }
  /** The VM is none to talk to any more. */
  | { readonly kind: "over"; readonly state: string }

export class ConsoleSession {
  readonly #port: ConsolePort
  readonly #vm: string
  readonly #ends: SessionEnds
  readonly #sleep: (milliseconds: number) => Promise<void>
  #waiting = new Uint8Array(0)
  #typing = false
  #end: SessionEnd | null = null
  #isHeld = false
  /** Pieces heard so far: to tell whether the guest still says something. */
  #heard = 0
  #state = "unknown"

  constructor(port: ConsolePort, vm: string, ends: SessionEnds & { readonly sleep: (milliseconds: number) => Promise<void> }) {
    this.#port = port
    this.#vm = vm
    this.#ends = ends
    this.#sleep = ends.sleep
  }

  /** Reads from byte `from` of the console until it is left or the VM is over. */
  async run(from = 0): Promise<SessionEnd> {
    for (let at = from; this.#end === null;) {
      const { from: start, bytes, state } = await this.#port.read(this.#vm, at)
      this.#state = state
      if (bytes.length > 0) this.#heard++
      this.#ends.output(bytes)
      at = start + bytes.length
      if (bytes.length > 0) continue
      if (state === "running" || state === "placing" || state === "paused") {
        if (state !== "running") await this.#sleep(REST_MILLISECONDS)
      } else this.#end ??= { kind: "over", state }
    }
    return this.#end
  }

  get hasTyped(): boolean {
    return this.#waiting.length === 0 && !this.#typing
  }

  /** Bytes of the input that the guest has not taken. */
  get untyped(): number {
    return this.#waiting.length
  }

  /** No more will be typed: ends the session when the guest has taken all and is quiet, or one of both has had its time. */
  async inputEnded(): Promise<void> {
    let still = 0 // milliseconds since it took a byte, or said a word
    let answering = 0 // since it has taken the last byte
    while (this.#end === null) {
      const [waiting, heard] = [this.#waiting.length, this.#heard]
      await this.#sleep(LOOK_MILLISECONDS)
      const hasStirred = waiting !== this.#waiting.length || (this.hasTyped && heard !== this.#heard)
      still = hasStirred ? 0 : still + LOOK_MILLISECONDS
      if (!this.hasTyped && still >= PATIENCE_MILLISECONDS) this.#end ??= { kind: "stalled", state: this.#state }
      if (!this.hasTyped) continue
      answering += LOOK_MILLISECONDS
      if (still >= (this.#heard === 0 ? PATIENCE_MILLISECONDS : QUIET_MILLISECONDS) || answering >= PATIENCE_MILLISECONDS)
        this.#end ??= { kind: "input-ended" }
    }
  }

  leave(): void {
    this.#end ??= { kind: "left" }
  }

  /** What was typed or pasted. Ctrl-] leaves; what was typed before it is still typed. */
  input(bytes: Uint8Array): void {
    const at = bytes.indexOf(LEAVE)
    const typed = at < 0 ? bytes : bytes.subarray(0, at)
    const joined = new Uint8Array(this.#waiting.length + typed.length)
    joined.set(this.#waiting)
    joined.set(typed, this.#waiting.length)
    this.#waiting = joined
    if (at >= 0) this.leave()
    this.#hold()
    if (!this.#typing) void this.#type()
  }

  async #type(): Promise<void> {
    this.#typing = true
    while (this.#waiting.length > 0 && this.#end?.kind !== "over") {
      const { taken, state } = await this.#port.type(this.#vm, this.#waiting)
      this.#waiting = this.#waiting.slice(taken)
      this.#hold()
      if (taken > 0) continue
      if (state !== "running" && state !== "paused" && state !== "placing") break
      await this.#sleep(FULL_WAIT_MILLISECONDS)
    }
    this.#typing = false
  }

  #hold(): void {
    const hold = this.#waiting.length >= WAITING_BYTES_MAX
    if (hold === this.#isHeld) return
    this.#isHeld = hold
    this.#ends.hold(hold)
  }
}
