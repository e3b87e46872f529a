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
/** So long without a word, and it has said what it had to say; unless the caller knows that it takes longer. */
export const QUIET_MILLISECONDS = 2_000
/** A guest that has not said anything yet still boots: it is given so long for its first word, and one that never stops is heard for so long. */
const PATIENCE_MILLISECONDS = 30_000
/** Who leaves is kept for so long by a guest that takes nothing more of what was typed before. */
const LEAVING_MILLISECONDS = 2_000
/** Input that waits here before the typist has to. */
const WAITING_BYTES_MAX = 64 * 1024
/** Of one that cannot be told to hold on, and what is more is lost, and counted. */
const WAITING_BYTES_MOST = 2 ** 20

export interface SessionEnds {
  readonly output: (bytes: Uint8Array) => void
  /** Called with true when no more shall be typed for now. Null for a person at a terminal: whoever is not heard cannot leave, either. */
  readonly hold: ((hold: boolean) => void) | null
  /** After the end of the input: silence of the guest that ends the session. Default: QUIET_MILLISECONDS. */
  readonly quietMilliseconds?: number
}

/** Who is talked with. One that is restartable and lost with its node boots again when a node has room for it: its console goes on. */
export interface Talked {
  readonly name: string
  readonly restartable: boolean
}

type State = Awaited<ReturnType<ConsolePort["read"]>>["state"]

/** States of a VM that runs, or may yet. */
const ALIVE: readonly State[] = ["running", "moving", "placing", "paused"]

export type SessionEnd =
  | { readonly kind: "left" }
  /** The input was typed to its end, and the guest has answered or had its time for it. */
  | { readonly kind: "input-ended" }
  /** For PATIENCE_MILLISECONDS the guest has taken, or read, nothing of the rest of the input. */
  | { readonly kind: "stalled"; readonly state: string }
  /** The VM is none to talk to any more. */
  | { readonly kind: "over"; readonly state: string }

export class ConsoleSession {
  readonly #port: ConsolePort
  readonly #vm: string
  readonly #alive: readonly State[]
  readonly #ends: SessionEnds
  readonly #sleep: (milliseconds: number) => Promise<void>
  readonly #quiet: number
  /** PATIENCE_MILLISECONDS, or what the caller waits for a word where that is longer. */
  readonly #patience: number
  #waiting = new Uint8Array(0)
  #typing = false
  #end: SessionEnd | null = null
  #isHeld = false
  /** Pieces heard so far: to tell whether the guest still says something. */
  #heard = 0
  #state = "unknown"
  /** Ctrl-] was given, and what was typed before it is still on its way. */
  #isLeaving = false
  /** Bytes typed beyond WAITING_BYTES_MOST. */
  #lost = 0
  /** Bytes that were typed, and that the guest had not read when it was given up. */
  #unread = 0
  /** Why nothing more can be typed. */
  #failure: { readonly error: unknown } | null = null

  constructor(
    port: ConsolePort,
    { name, restartable }: Talked,
    ends: SessionEnds & { readonly sleep: (milliseconds: number) => Promise<void> },
  ) {
    this.#port = port
    this.#vm = name
    this.#alive = restartable ? [...ALIVE, "lost"] : ALIVE
    this.#ends = ends
    this.#sleep = ends.sleep
    this.#quiet = ends.quietMilliseconds ?? QUIET_MILLISECONDS
    this.#patience = Math.max(PATIENCE_MILLISECONDS, this.#quiet)
  }

  /** Reads from byte `from` of the console until it is left or the VM is over. Throws what reading and typing throw. */
  async run(from = 0): Promise<SessionEnd> {
    for (let at = from; this.#end === null;) {
      if (this.#failure !== null) throw this.#failure.error
      const { from: start, bytes, state } = await this.#port.read(this.#vm, at)
      this.#state = state
      if (bytes.length > 0) this.#heard++
      this.#ends.output(bytes)
      at = start + bytes.length
      if (bytes.length > 0) continue
      if (this.#alive.includes(state)) {
        if (state !== "running") await this.#sleep(REST_MILLISECONDS)
      } else this.#end ??= { kind: "over", state }
    }
    if (this.#end.kind === "left") await this.#typeRest()
    return this.#end
  }

  get hasTyped(): boolean {
    return this.#waiting.length === 0 && !this.#typing
  }

  /** Bytes of the input that the guest has not taken. */
  get untyped(): number {
    return this.#waiting.length + this.#lost + this.#unread
  }

  /** No more will be typed: ends the session when the guest has read all and is quiet, or one of both has had its time. */
  async inputEnded(): Promise<void> {
    let still = 0 // milliseconds since it took a byte, or said a word
    let answering = 0 // since it has taken the last byte, or was seen to have more to read
    const reading = { left: -1, since: 0 } // what it was seen to have left to read, and for how long that was so
    while (this.#end === null && this.#failure === null) {
      const [waiting, heard] = [this.#waiting.length, this.#heard]
      await this.#sleep(LOOK_MILLISECONDS)
      const hasStirred = waiting !== this.#waiting.length || (this.hasTyped && heard !== this.#heard)
      still = hasStirred ? 0 : still + LOOK_MILLISECONDS
      if (!this.hasTyped && still >= PATIENCE_MILLISECONDS) this.#end ??= { kind: "stalled", state: this.#state }
      if (!this.hasTyped) continue
      answering += LOOK_MILLISECONDS
      if (still < (this.#heard === 0 ? this.#patience : this.#quiet) && answering < this.#patience) continue
      // Quiet, or talkative for long: one that shares its CPU may still have much of what was typed before it.
      const left = await this.#unreadNow()
      if (left === 0) this.#end ??= { kind: "input-ended" }
      Object.assign(reading, { left, since: left === reading.left ? reading.since + answering : 0 })
      if (reading.since >= PATIENCE_MILLISECONDS) this.#giveUp(left)
      answering = 0
      still = 0
    }
  }

  #giveUp(unread: number): void {
    if (this.#end !== null) return
    this.#unread = unread
    this.#end = { kind: "stalled", state: this.#state }
  }

  async #unreadNow(): Promise<number> {
    try {
      return await this.#port.unread(this.#vm)
    } catch (error) {
      this.#failure ??= { error }
      return -1
    }
  }

  /** At once. */
  leave(): void {
    this.#end ??= { kind: "left" }
    this.#isLeaving = false
  }

  /** What was typed or pasted. Ctrl-] leaves; what was typed before it is still typed, unless the guest takes nothing or Ctrl-] comes again. */
  input(bytes: Uint8Array): void {
    const at = bytes.indexOf(LEAVE)
    if (this.#end?.kind === "left") return at < 0 ? undefined : this.leave()
    this.#take(at < 0 ? bytes : bytes.subarray(0, at))
    if (at >= 0 && this.#end === null) {
      this.#end = { kind: "left" }
      this.#isLeaving = true
    }
    this.#hold()
    if (!this.#typing) void this.#type()
  }

  #take(typed: Uint8Array): void {
    const room = this.#ends.hold === null ? WAITING_BYTES_MOST - this.#waiting.length : Infinity
    const kept = typed.subarray(0, room)
    this.#lost += typed.length - kept.length
    const joined = new Uint8Array(this.#waiting.length + kept.length)
    joined.set(this.#waiting)
    joined.set(kept, this.#waiting.length)
    this.#waiting = joined
  }

  async #typeRest(): Promise<void> {
    let still = 0
    while (this.#isLeaving && this.#failure === null && !this.hasTyped && still < LEAVING_MILLISECONDS) {
      const waiting = this.#waiting.length
      await this.#sleep(FULL_WAIT_MILLISECONDS)
      still = waiting === this.#waiting.length ? still + FULL_WAIT_MILLISECONDS : 0
    }
    this.#isLeaving = false
  }

  async #type(): Promise<void> {
    this.#typing = true
    try {
      await this.#typeAll()
    } catch (error) {
      this.#failure ??= { error } // of a session that is over nobody asks: its connection is closed
    }
    this.#typing = false
  }

  async #typeAll(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#isDeaf()) {
      const { taken, state } = await this.#port.type(this.#vm, this.#waiting)
      this.#waiting = this.#waiting.slice(taken)
      this.#hold()
      if (taken > 0) continue
      if (!this.#alive.includes(state)) break
      await this.#sleep(FULL_WAIT_MILLISECONDS)
    }
  }

  /** Nobody types any more: the session is over, and who left has had the time for the rest. */
  #isDeaf(): boolean {
    return this.#failure !== null || (this.#end !== null && !this.#isLeaving)
  }

  #hold(): void {
    const hold = this.#waiting.length >= WAITING_BYTES_MAX
    if (hold === this.#isHeld) return
    this.#isHeld = hold
    this.#ends.hold?.(hold)
  }
}
