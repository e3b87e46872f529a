/**
 * The device of a page store: two files in the process's data folder, one of pages and one of records, each at a fixed place.
 *
 * Written with plain synchronous calls: what the call has taken outlives the process (not the computer: nothing is synced to the disk). A record
 * is one write of a whole block.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@backplane/foundation-base/assert"
import { RECORD_BYTES, SLOT_BYTES, type PageDevice } from "@backplane/memory-controller/page-device"

export class PageFile implements PageDevice {
  readonly slots: number
  readonly #pages: number
  readonly #records: number

  /** `fresh`: what an earlier machine of this name left is thrown away. */
  constructor({ folder, slots, fresh }: { readonly folder: string; readonly slots: number; readonly fresh: boolean }) {
    this.slots = slots
    mkdirSync(folder, { recursive: true })
    const open = (name: string): number => {
      if (fresh) rmSync(join(folder, name), { force: true })
      return openSync(join(folder, name), fresh ? "w+" : "a+")
    }
    for (const name of [PAGES, RECORDS]) closeSync(open(name))
    this.#pages = openSync(join(folder, PAGES), "r+")
    this.#records = openSync(join(folder, RECORDS), "r+")
  }

  read(slot: number): Uint8Array {
    const bytes = new Uint8Array(SLOT_BYTES)
    readSync(this.#pages, bytes, 0, SLOT_BYTES, slot * SLOT_BYTES)
    return bytes
  }

  write(slot: number, bytes: Uint8Array): void {
    assert(slot >= 0 && slot < this.slots && bytes.length === SLOT_BYTES, "a slot takes one page")
    writeSync(this.#pages, bytes, 0, SLOT_BYTES, slot * SLOT_BYTES)
  }

  *records(): Iterable<readonly [number, string]> {
    const block = Buffer.alloc(RECORD_BYTES)
    const count = Math.ceil(fstatSync(this.#records).size / RECORD_BYTES)
    for (let index = 0; index < count; index++) {
      const got = readSync(this.#records, block, 0, RECORD_BYTES, index * RECORD_BYTES)
      const text = block.toString("utf8", 0, got).replace(/[\0 ]+$/, "")
      if (text !== "") yield [index, text]
    }
  }

  writeRecord(index: number, text: string): void {
    const block = Buffer.alloc(RECORD_BYTES)
    const length = block.write(text, "utf8")
    assert(length === Buffer.byteLength(text), "a record fits its block")
    writeSync(this.#records, block, 0, RECORD_BYTES, index * RECORD_BYTES)
  }

  close(): void {
    closeSync(this.#pages)
    closeSync(this.#records)
  }
}

const PAGES = "pages"
const RECORDS = "records"
