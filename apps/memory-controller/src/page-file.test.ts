import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { RECORD_BYTES, SLOT_BYTES } from "@backplane/memory-controller/page-device"
import { PageFile } from "./page-file.ts"

describe("the file of a page store", () => {
  let folder = ""
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "backplane-pages-"))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it("has after a restart what was written before, and nothing of a machine before that", () => {
    const first = new PageFile({ folder, slots: 8, fresh: true })
    const page = Uint8Array.from({ length: SLOT_BYTES }, (_, index) => index * 7)
    first.write(5, page)
    first.writeRecord(0, "epoch")
    first.writeRecord(3, "third")
    first.writeRecord(3, "3")
    first.writeRecord(1, "gone")
    first.writeRecord(1, "")
    first.close()
    const second = new PageFile({ folder, slots: 8, fresh: false })
    expect(second.read(5)).toEqual(page)
    expect(second.read(7)).toEqual(new Uint8Array(SLOT_BYTES))
    expect([...second.records()]).toEqual([
      [0, "epoch"],
      [3, "3"],
    ])
    second.close()
    const third = new PageFile({ folder, slots: 8, fresh: true })
    expect([...third.records()]).toEqual([])
    third.close()
  })

  it("takes no slot that it does not have, and no record that has no room", () => {
    const file = new PageFile({ folder, slots: 2, fresh: true })
    expect(() => file.write(2, new Uint8Array(SLOT_BYTES))).toThrow("a slot takes one page")
    expect(() => file.writeRecord(0, "x".repeat(RECORD_BYTES + 1))).toThrow("a record fits its block")
    file.close()
  })
})
