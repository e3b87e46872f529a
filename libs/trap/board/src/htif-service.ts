/** Serves `tohost`, for guests that have the symbol: trap/devices/htif says what a word means. */
import { unreachable } from "@backplane/foundation-base/assert"
import { decodeTohost, readReply } from "@backplane/trap-devices/htif/htif"
import type { Engine } from "@backplane/compute-contract/engine"
import type { BoardEnd } from "./board-types.ts"
import type { Console } from "./console.ts"

const WORD_BYTES = 8
/** What a proxied system call ends with: nobody is there to serve it. */
const CODE_UNSUPPORTED = 1

export interface HtifState {
  readonly tohost: bigint
  readonly fromhost: bigint | undefined
  /** The guest waits for a byte. */
  readonly reading: boolean
}

/** The guest's memory at physical addresses, and the watch on it. */
export type HtifMemory = Pick<Engine, "readMemory" | "writeMemory" | "watchPage">

export class HtifService {
  readonly #engine: HtifMemory
  readonly #console: Console
  readonly #tohost: bigint
  readonly #fromhost: bigint | undefined
  /** The guest waits for a byte. */
  #reading: boolean

  constructor(engine: HtifMemory, console: Console, { tohost, fromhost, reading }: HtifState) {
    this.#engine = engine
    this.#console = console
    this.#tohost = tohost
    this.#fromhost = fromhost
    this.#reading = reading
    engine.watchPage(tohost, "watched")
  }

  capture(): HtifState {
    return { tohost: this.#tohost, fromhost: this.#fromhost, reading: this.#reading }
  }

  /** After a store to the page of `tohost`. */
  look(): BoardEnd | null {
    const request = decodeTohost(this.#read(this.#tohost))
    switch (request.kind) {
      case "none":
        return null
      case "exit":
        return { kind: "end", reason: "tohost", code: Number(request.code) }
      case "write-byte":
        this.#console.write(request.byte)
        this.#acknowledge(request.reply)
        return null
      case "read-byte":
        this.#reading = true
        this.#write(this.#tohost, 0n)
        this.answerRead()
        return null
      case "unsupported":
        return { kind: "end", reason: "tohost", code: CODE_UNSUPPORTED }
      default:
        return unreachable(request)
    }
  }

  /** Gives a waiting guest its byte, once there is one. */
  answerRead(): void {
    if (!this.#reading || this.#fromhost === undefined) return
    const [byte] = this.#console.take(1)
    if (byte === undefined) return
    this.#reading = false
    this.#write(this.#fromhost, readReply(byte))
  }

  #acknowledge(reply: bigint): void {
    this.#write(this.#tohost, 0n)
    if (this.#fromhost !== undefined) this.#write(this.#fromhost, reply)
  }

  #read(address: bigint): bigint {
    return new DataView(this.#engine.readMemory(address, WORD_BYTES).buffer).getBigUint64(0, true)
  }

  #write(address: bigint, value: bigint): void {
    const bytes = new Uint8Array(WORD_BYTES)
    new DataView(bytes.buffer).setBigUint64(0, value, true)
    this.#engine.writeMemory(address, bytes)
  }
}
