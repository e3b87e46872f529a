import { createHash } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { ImageFiles } from "./image-files.ts"

const folders: string[] = []
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), "images-"))
  folders.push(made)
  return made
}
afterEach(() => folders.splice(0).forEach((each) => rmSync(each, { recursive: true, force: true })))

const data = Uint8Array.from({ length: 1000 }, (_, index) => index & 255)
const hash = createHash("sha256").update(data).digest("hex")
const piece = (offset: number, to: number) => ({ hash, total: data.length, offset, data: data.slice(offset, to) })

describe("images as files", () => {
  it("an image is there when its last piece is, also for the next process; a repeated piece and a gap change nothing", () => {
    const place = folder()
    const files = new ImageFiles(place)
    expect([files.put(piece(0, 0)), files.put(piece(0, 600)), files.put(piece(0, 600)), files.put(piece(700, 1000))]).toEqual([
      0, 600, 600, 600,
    ])
    expect(files.bytes(hash)).toBeNull()
    const next = new ImageFiles(place)
    expect(next.put(piece(600, 1000))).toBe(1000)
    expect([next.bytes(hash), next.read(hash, 990, 100)]).toEqual([1000, data.slice(990)])
    expect(next.put(piece(0, 10))).toBe(1000)
  })

  it("what is not what its hash says is refused, and can be brought anew", () => {
    const files = new ImageFiles(folder())
    const wrong = { hash, total: 4, offset: 0, data: data.slice(0, 4) }
    expect(() => files.put(wrong)).toThrow("bring it again")
    expect(files.bytes(hash)).toBeNull()
    expect(files.put(piece(0, 1000))).toBe(1000)
  })

  it("names that are no hash, and sizes beyond the limit, are refused", () => {
    const files = new ImageFiles(folder())
    expect(() => files.put({ ...piece(0, 10), hash: "../../etc/passwd" })).toThrow("hash")
    expect(files.bytes("../x")).toBeNull()
    expect(() => files.put({ ...piece(0, 10), total: 2 ** 40 })).toThrow("total")
  })

  it("takes a file of this computer", () => {
    const place = folder()
    writeFileSync(join(place, "k"), data)
    const files = new ImageFiles(place)
    expect(files.importFile(join(place, "k"))).toEqual({ hash, bytes: 1000 })
    expect(files.bytes(hash)).toBe(1000)
  })
})
