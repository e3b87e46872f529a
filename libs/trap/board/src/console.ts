/** The board's console: bytes out of whatever the guest writes to (UART, SBI, HTIF), and bytes in that wait to be read. */

/** Input is refused beyond this: the guest does not read. */
export const INPUT_BYTES_MAX = 1 << 20

export class Console {
  /** Oldest first, from #read on; at most INPUT_BYTES_MAX wait. */
  #input: number[] = []
  /** So many of #input were taken: a guest reads byte by byte, and what waits behind is not moved up for each. */
  #read = 0
  #output: number[] = []

  constructor(waiting: { readonly input: Uint8Array; readonly output: Uint8Array } | null = null) {
    if (waiting === null) return
    this.#input = [...waiting.input]
    this.#output = [...waiting.output]
  }

  write(byte: number): void {
    this.#output.push(byte)
  }

  takeOutput(): Uint8Array {
    const taken = Uint8Array.from(this.#output)
    this.#output = []
    return taken
  }

  /** What waits to be read by the guest, and to be taken by the host. */
  capture(): { readonly input: Uint8Array; readonly output: Uint8Array } {
    return { input: Uint8Array.from(this.waiting()), output: Uint8Array.from(this.#output) }
  }

  /** How many of the bytes were taken. */
  feed(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, INPUT_BYTES_MAX - this.waitingBytes)
    for (const byte of bytes.subarray(0, taken)) this.#input.push(byte)
    return taken
  }

  get waitingBytes(): number {
    return this.#input.length - this.#read
  }

  /** All that waits, oldest first. Of how much it is: `waitingBytes`. */
  waiting(): readonly number[] {
    this.#moveUp()
    return this.#input
  }

  /** The oldest `bytes` of input. */
  take(bytes: number): readonly number[] {
    const taken = this.#input.slice(this.#read, this.#read + bytes)
    this.#read += taken.length
    if (this.#read > this.#input.length / 2) this.#moveUp()
    return taken
  }

  #moveUp(): void {
    if (this.#read > 0) this.#input.splice(0, this.#read)
    this.#read = 0
  }
}
