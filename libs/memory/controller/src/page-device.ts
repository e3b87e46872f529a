/**
 * Where the page store keeps bytes and what it must remember of them: a file in an app, memory in simulation. Synchronous, as the engine is:
 * what was written is there when the call returns, and outlives the process.
 *
 * Slots hold a page each; records hold text by index, as many as there are pages, and are the only way back to the slots.
 */

export const SLOT_BYTES = 4096
/** Of a record's text. */
export const RECORD_BYTES = 2048

export interface PageDevice {
  readonly slots: number
  read(slot: number): Uint8Array
  write(slot: number, bytes: Uint8Array): void
  /** All records that are not empty. */
  records(): Iterable<readonly [index: number, text: string]>
  /** "": the record is gone. */
  writeRecord(index: number, text: string): void
}

/** A device that lives as long as whoever holds it. */
export class MemoryPageDevice implements PageDevice {
  readonly slots: number
  readonly #pages = new Map<number, Uint8Array>()
  readonly #records = new Map<number, string>()

  constructor(slots: number) {
    this.slots = slots
  }

  read(slot: number): Uint8Array {
    return this.#pages.get(slot)?.slice() ?? new Uint8Array(SLOT_BYTES)
  }

  write(slot: number, bytes: Uint8Array): void {
    this.#pages.set(slot, bytes.slice())
  }

  records(): Iterable<readonly [number, string]> {
    return this.#records
  }

  writeRecord(index: number, text: string): void {
    if (text === "") this.#records.delete(index)
    else this.#records.set(index, text)
  }
}
