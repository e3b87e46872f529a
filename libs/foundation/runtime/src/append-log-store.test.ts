import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { AppendLogStore, type AppendLog, type LogOperation } from "./append-log-store.ts"
import { SegmentFile } from "./segment-file.ts"
import type { ActorStore } from "./store.ts"

const ACTOR = actorId("replica.0")
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "backplane-log-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Lines of JSON; a new segment with all values after every hundred writes. What the store must do with any log. */
class LineLog implements AppendLog {
  readonly values = new Map<string, Json>()
  #segment: number
  #obsolete: { readonly segment: number; readonly before: number }[] = []
  readonly #recovered: readonly number[]
  #lines = 0
  position = 0

  constructor(segments: ReadonlyMap<number, Uint8Array>) {
    for (const segment of [...segments.keys()].sort((a, b) => a - b))
      for (const line of Buffer.from(segments.get(segment) ?? [])
        .toString()
        .split("\n")
        .slice(0, -1)) {
        const [key, value] = JSON.parse(line) as [string, Json]
        this.values.set(key, value)
      }
    this.#segment = Math.max(-1, ...segments.keys())
    this.#recovered = [...segments.keys()]
  }

  begin(): LogOperation[] {
    return this.#checkpointAfter(this.#recovered)
  }

  write(key: string, value: Json): LogOperation[] {
    this.values.set(key, value)
    if (++this.#lines % 100 !== 0) return [this.#append(this.#segment, [[key, value]])]
    return this.#checkpointAfter([this.#segment])
  }

  synced(position: number): LogOperation[] {
    const gone = this.#obsolete.filter(({ before }) => before <= position)
    this.#obsolete = this.#obsolete.filter(({ before }) => before > position)
    return gone.map(({ segment }) => ({ op: "remove", segment }))
  }

  #checkpointAfter(segments: readonly number[]): LogOperation[] {
    const operation = this.#append(++this.#segment, [...this.values])
    this.#obsolete.push(...segments.map((segment) => ({ segment, before: this.position })))
    return [operation]
  }

  #append(segment: number, lines: readonly (readonly [string, Json])[]): LogOperation {
    this.position++
    return { op: "append", segment, bytes: Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join("")) }
  }
}

const open = (): ActorStore => new AppendLogStore(folder, (segments) => new LineLog(segments)).open("store", ACTOR)
const put = (store: ActorStore, key: string, value: Json): Promise<Error | null> =>
  new Promise((resolve) => store.write(key, value, resolve))

describe("append log store", () => {
  it("what was acknowledged is there after a new start, over many segments, and old segments are gone", async () => {
    const store = open()
    expect(await store.load()).toEqual(new Map())
    const done: number[] = []
    await Promise.all(Array.from({ length: 1050 }, (_, index) => put(store, `k${index % 70}`, index).then(() => done.push(index))))
    expect(done).toEqual([...done].sort((a, b) => a - b))
    const again = await open().load()
    expect(again.size).toBe(70)
    expect(again.get("k69")).toBe(1049)
    await put(store, "last", 1)
    expect(readdirSync(join(folder, "store/replica.0")).length).toBeLessThanOrEqual(3)
  })

  it("lets go of an actor that is released, once it is written, and finds all of it when it is opened again, even meanwhile", async () => {
    const log = new AppendLogStore(folder, (segments) => new LineLog(segments))
    const first = log.open("m", ACTOR)
    await first.load()
    const written = put(first, "a", 1)
    log.release("m", ACTOR)
    // Hosted again in the same breath: one log at a time has the files.
    const second = log.open("m", ACTOR)
    expect((await second.load()).get("a")).toBe(1)
    expect(await written).toBe(null)
    expect(await put(second, "b", 2)).toBe(null)
    expect(log.openActors).toBe(1)
    log.release("m", ACTOR)
    for (let tries = 0; log.openActors > 0 && tries < 200; tries++) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(log.openActors).toBe(0)
    expect(await log.open("m", ACTOR).load()).toEqual(
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
    )
  })

  it("writes that come together are in the file before any of them is acknowledged", async () => {
    const store = open()
    await store.load()
    const [first] = [put(store, "a", 1), put(store, "b", 2), put(store, "c", 3)]
    await first
    const folderOf = join(folder, "store/replica.0")
    const text = readdirSync(folderOf)
      .map((name) => readFileSync(join(folderOf, name), "utf8"))
      .join("")
    expect(text).toContain('["c",3]')
  })

  it("begins a segment of its own, whatever the last life left at the end of its", async () => {
    const store = open()
    await store.load()
    await put(store, "a", 1)
    appendFileSync(join(folder, "store/replica.0/0.log"), '["torn')
    expect(await open().load()).toEqual(new Map([["a", 1]]))
  })

  it("a write before the log was read is refused", async () => {
    expect((await put(open(), "a", 1))?.message).toContain("read before it is written")
  })
})

describe("a log that is written while its disk is busy", () => {
  // Found by seed 710678 of the store: what was synced was taken for all that had been written by then, and the segment before a checkpoint went too early.
  it("is told how far it went when the sync began, and no further", async () => {
    const told: [position: number, reached: number][] = []
    const watched = (log: LineLog): AppendLog => ({
      values: log.values,
      begin: () => log.begin(),
      write: (key, value) => log.write(key, value),
      get position() {
        return log.position
      },
      synced: (position) => {
        told.push([position, log.position])
        return log.synced(position)
      },
    })
    const store = new AppendLogStore(folder, (segments) => watched(new LineLog(segments))).open("store", ACTOR)
    await store.load()
    const writes: Promise<Error | null>[] = []
    for (let round = 0; round < 200; round++) {
      writes.push(put(store, "key", round))
      if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(writes)
    expect(told.every(([position], index) => index === 0 || position > (told[index - 1]?.[0] ?? 0))).toBe(true)
    expect(told.some(([position, reached]) => position < reached)).toBe(true)
    expect(told.at(-1)).toEqual([201, 201])
  })
})

describe("a file on a disk that is full", () => {
  // The actor waited, and nobody was told what for. Not every system has a file that is always full.
  it.skipIf(!existsSync("/dev/full"))("says so at once, and acknowledges nothing meanwhile", async () => {
    const heard: string[] = []
    const file = await SegmentFile.create("/dev/full", (room) => heard.push(room))
    let isDone = false
    void file.append(new Uint8Array(10))?.then(() => (isDone = true))
    expect(heard).toEqual(["none"])
    await new Promise((resolve) => setTimeout(resolve, 120))
    expect([heard, isDone]).toEqual([["none"], false])
  })
})
