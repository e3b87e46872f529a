import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Random } from "@backplane/foundation-base/random"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { roomBehind, withoutRoom } from "./log-room.ts"
import { SegmentFile } from "./segment-file.ts"

const CASES = 300

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backplane-room-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Bytes as records have them: zeros here and there, never many together, none at the end. */
function record(random: Random): Uint8Array {
  const bytes = Uint8Array.from({ length: 1 + random.below(3_000) }, () => (random.below(4) === 0 ? 0 : 1 + random.below(255)))
  bytes[bytes.length - 1] = 0x5d
  return bytes
}

async function written(path: string, records: readonly Uint8Array[]): Promise<SegmentFile> {
  const file = await SegmentFile.create(path, () => undefined)
  for (const bytes of records) {
    await file.append(bytes)
    await file.sync()
  }
  return file
}

describe("room behind a log", () => {
  it("is taken off, however much there is of it, and nothing else", () => {
    for (let seed = 0; seed < CASES; seed++) {
      const random = new Random(`room/${seed}`)
      const bytes = Buffer.concat(Array.from({ length: random.below(5) }, () => record(random)))
      const room = new Uint8Array(random.below(10_000))
      expect(Buffer.compare(withoutRoom(Buffer.concat([bytes, room])), bytes), `seed ${seed}`).toBe(0)
    }
  })

  it("what stands behind a page that did not reach the disk is cut off, and seen to be", () => {
    for (let seed = 0; seed < CASES; seed++) {
      const random = new Random(`hole/${seed}`)
      const whole = Buffer.concat(Array.from({ length: 12 }, () => record(random)))
      const pages = Math.floor(whole.length / 4_096)
      const lost = random.below(pages)
      const bytes = Buffer.concat([whole, Buffer.from([0x5d])])
      bytes.fill(0, lost * 4_096, (lost + 1) * 4_096)
      const left = withoutRoom(bytes)
      expect(left.length, `seed ${seed}`).toBe(lost * 4_096 + 1)
      expect(left.at(-1)).toBe(0)
      expect(Buffer.compare(left.subarray(0, -1), whole.subarray(0, lost * 4_096))).toBe(0)
    }
  })

  it("grows with the file up to a limit, so that most records change no length of it", async () => {
    const path = join(folder, "0.log")
    const lengths = new Set<number>()
    const file = await SegmentFile.create(path, () => undefined)
    const one = Buffer.alloc(999, "x")
    for (let count = 1; count <= 1_000; count++) {
      await file.append(one)
      await file.sync()
      const { size } = statSync(path)
      expect(size).toBeGreaterThanOrEqual(count * one.length)
      expect(size).toBeLessThanOrEqual(roomBehind(count * one.length))
      lengths.add(size)
    }
    // Twice as long each time up to the limit, then by as much each time: of a thousand syncs so few write a length.
    expect(lengths.size).toBeLessThan(20)
    await file.close()
  })

  it("is there after a kill, and gone after a close", async () => {
    const random = new Random("kill")
    const records = Array.from({ length: 40 }, () => record(random))
    const path = join(folder, "0.log")
    const file = await written(path, records)
    const left = readFileSync(path)
    expect(left.length).toBeGreaterThan(Buffer.concat(records).length)
    expect(Buffer.compare(withoutRoom(left), Buffer.concat(records))).toBe(0)
    await file.close()
    expect(Buffer.compare(readFileSync(path), Buffer.concat(records))).toBe(0)
    expect(readdirSync(folder)).toEqual(["0.log"])
  })
})
