import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { FileStore } from "./file-store.ts"
import { StoreDamagedError, type ActorStore } from "./store.ts"

const ACTOR = actorId("memory.0")
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backplane-store-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function put(store: ActorStore, key: string, value: Json): Promise<Error | null> {
  return new Promise((resolve) => store.write(key, value, resolve))
}

describe("file store", () => {
  it("gives back what was written, whatever the key, and nothing that was removed", async () => {
    const store = new FileStore(folder).open("m", ACTOR)
    const values: [string, Json][] = [
      ["state", { a: [1, null, "é"] }],
      ["../../up", "safe"],
      ["A/b %☃", false],
      ["gone", 1],
    ]
    for (const [key, value] of values) expect(await put(store, key, value)).toBe(null)
    await put(store, "gone", null)
    expect(await new FileStore(folder).open("m", ACTOR).load()).toEqual(new Map(values.slice(0, 3)))
    expect(readdirSync(folder)).toEqual(["m"])
  })

  it("every write is answered, in the order of the effects, and the last value stays", async () => {
    const store = new FileStore(folder).open("m", ACTOR)
    const answered: number[] = []
    const all = Array.from({ length: 20 }, (_, count) => put(store, "key", count).then(() => answered.push(count)))
    await Promise.all(all)
    expect(answered).toEqual(Array.from({ length: 20 }, (_, count) => count))
    expect((await store.load()).get("key")).toBe(19)
  })

  it("an actor that is released and opened again meanwhile finds what was written", async () => {
    const store = new FileStore(folder)
    const written = put(store.open("m", ACTOR), "key", "old")
    store.release("m", ACTOR)
    const again = store.open("m", ACTOR)
    expect((await again.load()).get("key")).toBe("old")
    await Promise.all([written, put(again, "key", "new")])
    store.release("m", ACTOR)
    expect((await store.open("m", ACTOR).load()).get("key")).toBe("new")
  })

  it("a second opening waits for writes under way", async () => {
    const store = new FileStore(folder)
    const written = put(store.open("m", ACTOR), "key", "new")
    expect((await store.open("m", ACTOR).load()).get("key")).toBe("new")
    await written
  })

  const damages: [string, (text: string) => string][] = [
    ["a flipped bit", (text) => text.replace("value-1", "value-3")],
    ["a torn file", (text) => text.slice(0, text.length / 2)],
    ["an empty file", () => ""],
    ["another key's file", (text) => text.replace('"key":"key"', '"key":"other"')],
  ]
  for (const [name, damage] of damages) {
    it(`${name} is told by name, with the remedy`, async () => {
      const store = new FileStore(folder).open("m", ACTOR)
      await put(store, "key", "value-1")
      const path = join(folder, "m", ACTOR, "key.json")
      writeFileSync(path, damage(readFileSync(path, "utf8")))
      const error: unknown = await store.load().catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(StoreDamagedError)
      expect((error as Error).message).toMatch(/key\.json is damaged: .*move it away/)
    })
  }

  it("a crash between the temporary file and the rename leaves the old value", async () => {
    const store = new FileStore(folder).open("m", ACTOR)
    await put(store, "key", "old")
    writeFileSync(join(folder, "m", ACTOR, "key.json.tmp"), '{"crc32":"0')
    expect((await new FileStore(folder).open("m", ACTOR).load()).get("key")).toBe("old")
  })
})
