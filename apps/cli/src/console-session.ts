/**
 * A terminal at a VM's console: what the guest writes goes out, what is typed goes in, Ctrl-] leaves.
 *
 * Not here: the bus (vm-client.ts), raw mode (commands/console.ts). Nothing typed is dropped: while the guest's queue is full the rest waits,
 * and what feeds us is told to hold on.
 */
import type { ConsolePort } from "./vm-client.ts"

const LEAVE = 0x1d // Ctrl-]
const FULL_WAIT_MILLISECONDS = 20
/** Between two looks at a VM that is not running, where an answer comes at once. */
const REST_MILLISECONDS = 200
/** Input that waits here before the typist has to. */
const WAITING_BYTES_MAX = 64 * 1024

export interface SessionEnds {
  readonly output: (bytes: Uint8Array) => void
  /** Called with true when no more shall be typed for now. */
  readonly hold: (hold: boolean) => void
}

export type SessionEnd =
  | { readonly kind: "left" }
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
  #heardAt = 0

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
      if (bytes.length > 0) this.#heardAt++
      this.#ends.output(bytes)
      at = start + bytes.length
      if (bytes.length > 0) continue
      if (state === "running" || state === "placing" || state === "paused") {
        if (state !== "running") await this.#sleep(REST_MILLISECONDS)
      } else this.#end ??= { kind: "over", state }
    }
    return this.#end
  }

  /** Pieces heard so far: to tell whether the guest still says something. */
  get heard(): number {
    return this.#heardAt
  }

  get hasTyped(): boolean {
    return this.#waiting.length === 0 && !this.#typing
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
