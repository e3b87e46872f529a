/**
 * Where pages of a node's VMs lie that have no frame: a file in the process's data folder, a page a slot; equal pages take one, zeros none (memory/controller's content-slots).
 *
 * Plain synchronous calls, as the engine is synchronous: what the call has taken is there when it returns. It lives as long as its node's life: the VMs are lost with the process, and
 * so is what is in here.
 */
import { mkdirSync, openSync, readSync, writeSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@backplane/foundation-base/assert"
import { ContentSlots } from "@backplane/memory-controller/content-slots"
import { MemoryPageDevice, SLOT_BYTES, type PageDevice } from "@backplane/memory-controller/page-device"

/** `folder` null: the process keeps nothing on disk, and pages lie in its own memory. */
export function swapFile({
  folder,
  name,
  slots,
}: {
  readonly folder: string | null
  readonly name: string
  readonly slots: number
}): ContentSlots {
  if (folder === null) return new ContentSlots(new MemoryPageDevice(slots))
  mkdirSync(folder, { recursive: true })
  return new ContentSlots(deviceOf(openSync(join(folder, name), "w+"), slots))
}

function deviceOf(file: number, slots: number): PageDevice {
  return {
    slots,
    read(slot) {
      const bytes = new Uint8Array(SLOT_BYTES)
      const got = readSync(file, bytes, 0, SLOT_BYTES, slot * SLOT_BYTES)
      assert(got === SLOT_BYTES, "a slot that is read was written")
      return bytes
    },
    write(slot, bytes) {
      assert(slot >= 0 && slot < slots && bytes.length === SLOT_BYTES, "a slot takes one page")
      const put = writeSync(file, bytes, 0, SLOT_BYTES, slot * SLOT_BYTES)
      assert(put === SLOT_BYTES, "the disk takes a page whole")
    },
    // What is in here outlives nothing: there is no way back to it, and none is needed.
    records: () => [],
    writeRecord: () => undefined,
  }
}
