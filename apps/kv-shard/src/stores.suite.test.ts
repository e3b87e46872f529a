/** Every backend of a shard under the same laws; killed in mid-write; with a byte flipped on disk. */
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import { FileStore } from "@backplane/foundation-runtime/file-store"
import type { Store } from "@backplane/foundation-runtime/store"
import { actorStoreSuite, type StoreWorld } from "@backplane/foundation-runtime/suite/actor-store-suite"
import { DAMAGE_KEY, losesEndOnly } from "@backplane/kv-store/log-store"
import type { Backend } from "./config.ts"
import { storesOf } from "./stores.ts"

const BACKENDS: readonly Backend[] = ["log", "lmdb"]
const MAKERS: Readonly<Record<Backend, (folder: string) => Store>> = { log: await storesOf("log"), lmdb: await storesOf("lmdb") }
const ACTOR = actorId("replica.0")
const KILLED_AFTER = 150

/** As long as they come: a hint's, with a replica, a bucket and a key in it. */
const KEY_LENGTH_MAX = 650

function inFolder(make: (folder: string) => Store, keyLengthMax = KEY_LENGTH_MAX): () => Promise<StoreWorld> {
  return () => {
    const folder = mkdtempSync(join(tmpdir(), "backplane-stores-"))
    let store = make(folder)
    return Promise.resolve({
      store,
      keyLengthMax,
      reopen: async () => {
        await store.close?.()
        store = make(folder)
        return store
      },
      close: async () => {
        await store.close?.()
        rmSync(folder, { recursive: true, force: true })
      },
    })
  }
}

for (const backend of BACKENDS)
  actorStoreSuite(
    backend,
    inFolder((folder) => MAKERS[backend](folder)),
  )
actorStoreSuite(
  "a file a key",
  // A key is a file's name there.
  inFolder((folder) => new FileStore(folder), 100),
)

/** Runs a writer, kills it when it has told enough; the last number that it was answered. */
async function killedWriter(backend: Backend, folder: string): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "testing/store-writer.ts"), backend, folder])
  let told = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    told += text
    if (told.split("\n").length > KILLED_AFTER) child.kill("SIGKILL")
  })
  await new Promise((resolve) => child.once("close", resolve))
  return Number(told.split("\n").at(-2))
}

async function restored(backend: Backend, folder: string): Promise<Restored> {
  const store = MAKERS[backend](folder)
  const values = await store.open("store", ACTOR).load()
  await store.close?.()
  return values
}

describe.each(BACKENDS)("%s on disk", (backend) => {
  it("a process that is killed in mid-write leaves all that was answered", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "backplane-killed-"))
    const last = await killedWriter(backend, folder)
    expect(last).toBeGreaterThanOrEqual(KILLED_AFTER - 1)
    const values = await restored(backend, folder)
    for (let number = last; number > last - 100; number--) {
      const found = values.get(`k${number % 100}`) as { readonly number: number } | undefined
      // The one that was under way may be there or not.
      expect([number, number + 100], `k${number % 100}`).toContain(found?.number)
    }
    expect(values.has(DAMAGE_KEY)).toBe(false)
    rmSync(folder, { recursive: true, force: true })
  })

  it("keeps all that one turn writes, short and long, in any script", async () => {
    const folder = mkdtempSync(join(tmpdir(), "backplane-turn-"))
    const store = MAKERS[backend](folder)
    const own = store.open("store", ACTOR)
    await own.load()
    const texts = ["plain", "zweiunddreißig", "値段", "🛰 and more"]
    // Around every size at which records are laid out in another way, and many of each.
    const lengths = [0, 1, 100, 2_700, 2_725, 8_100, 8_192, 30_000]
    const written = Array.from({ length: 400 }, (_, index): readonly [string, string] => {
      const text = texts[index % texts.length] ?? ""
      return [`k${index}`, text.padEnd(lengths[index % lengths.length] ?? 0, index % 3 === 0 ? "ü" : "x")]
    })
    const errors = await Promise.all(
      written.map(([key, value]) => new Promise<Error | null>((resolve) => own.write(key, value, (error) => resolve(error)))),
    )
    expect(errors.filter((error) => error !== null)).toEqual([])
    await store.close?.()
    expect([...(await restored(backend, folder))].sort()).toEqual([...written].sort())
    rmSync(folder, { recursive: true, force: true })
  })

  it("a byte that is flipped in a value is never served: the value is gone, and it is told until somebody has repaired it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "backplane-flipped-"))
    const store = MAKERS[backend](folder)
    const own = store.open("store", ACTOR)
    await own.load()
    const marks = ["MARK-ONE", "MARK-TWO", "MARK-THREE"]
    for (const mark of marks)
      await new Promise<void>((resolve, reject) =>
        own.write(mark, `${mark} is here`, (error) => (error === null ? resolve() : reject(error))),
      )
    await store.close?.()
    flip(folder, "MARK-TWO is here")
    const values = await restored(backend, folder)
    expect([undefined, "MARK-TWO is here"]).toContain(values.get("MARK-TWO"))
    expect(values.get("MARK-ONE")).toBe("MARK-ONE is here")
    expect(values.has(DAMAGE_KEY)).toBe(true)
    expect((await restored(backend, folder)).has(DAMAGE_KEY)).toBe(true)
    rmSync(folder, { recursive: true, force: true })
  })
})

it("the log tells a torn end where a power cut kept a later page of what was not synced and not an earlier one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "backplane-cut-"))
  const store = MAKERS.log(folder)
  const own = store.open("store", ACTOR)
  await own.load()
  for (let number = 0; number < 100; number++)
    await new Promise<void>((resolve, reject) =>
      own.write(`k${number}`, "x".repeat(200), (error) => (error === null ? resolve() : reject(error))),
    )
  await store.close?.()
  const path = join(folder, "store", ACTOR, "0.log")
  const bytes = readFileSync(path)
  const kept =
    bytes
      .subarray(0, 8_192)
      .toString("latin1")
      .match(/"k\d+","x{200}"/g)?.length ?? 0
  writeFileSync(path, bytes.fill(0, 8_192, 12_288))
  const values = await restored("log", folder)
  expect(kept).toBeGreaterThan(30)
  expect([...values.keys()].filter((key) => key !== DAMAGE_KEY)).toHaveLength(kept)
  expect(losesEndOnly(values.get(DAMAGE_KEY))).toBe(true)
  rmSync(folder, { recursive: true, force: true })
})

/** One bit within each place where the text lies. */
function flip(folder: string, text: string): void {
  let flips = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith("-lock")) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = readFileSync(path)
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
      bytes[at + 1] = (bytes[at + 1] ?? 0) ^ 1
      flips++
    }
    writeFileSync(path, bytes)
  }
  expect(flips).toBeGreaterThan(0)
}
