/**
 * A disk in the store against a plain array: what is read is what was written; after a crash at any moment the disk is as it was at one moment
 * between the last flush and the last write; snapshots and clones never change; nobody but the owner writes.
 */
import { Random } from "@backplane/foundation-base/random"
import { decodeBase64 } from "@backplane/foundation-base/base64"
import type { DiskAnswer } from "@backplane/trap-devices/virtio-block/virtio-block"
import {
  BLOCK_BUCKET,
  CHUNK_BYTES,
  CHUNKS_PER_PAGE,
  decodePage,
  decodeRoot,
  encodeRoot,
  HOLE,
  newRoot,
  ROOT_BUCKET,
  rootKey,
} from "@backplane/trap-contract/disk-layout"
import type { BlockAsk, BlockTold } from "@backplane/trap-contract/disk-messages"
import { describe, expect, it } from "vitest"
import { BlockLine } from "./block-line.ts"
import { StoreVolume } from "./store-volume.ts"
import { VolumeRoot } from "./volume-root.ts"

const SECTOR = 512
const SECTORS = (3 * CHUNK_BYTES) / SECTOR
const NAME = "data"

/** Ways in which a store may be wrong, that the laws must see. */
type Lie = "none" | "forgets-puts" | "swaps-always"

/** A store that answers in any order, and now and then loses a question or its answer. */
class FakeStore {
  readonly values = new Map<string, string>()
  readonly #random: Random
  readonly #lie: Lie
  #inFlight: { readonly ask: BlockAsk; readonly line: BlockLine }[] = []

  constructor(random: Random, lie: Lie) {
    this.#random = random
    this.#lie = lie
  }

  line(life: string): BlockLine {
    const line: BlockLine = new BlockLine(life, (ask) => void this.#inFlight.push({ ask, line }))
    return line
  }

  /** Handles one question; false where there is none. */
  step(): boolean {
    const [one] = this.#inFlight.splice(this.#random.below(Math.max(1, this.#inFlight.length)), 1)
    if (one === undefined) return false
    const fate = this.#random.below(10)
    if (fate === 0) return true // lost on the way
    const told = this.#do(one.ask)
    if (fate > 1) one.line.onTold(told)
    return true
  }

  forget(line: BlockLine): void {
    this.#inFlight = this.#inFlight.filter((each) => each.line !== line)
  }

  #do({ request, operation }: BlockAsk): BlockTold {
    const key = `${operation.bucket}/${operation.key}`
    const told = { kind: "BlockTold", request, outcome: "done", values: [] as string[] } as const
    const now = this.values.get(key)
    switch (operation.type) {
      case "get":
        return { ...told, values: now === undefined ? [] : [now] }
      case "put":
        if (this.#lie !== "forgets-puts" || this.#random.below(5) > 0) this.values.set(key, operation.value)
        return told
      case "delete":
        this.values.delete(key)
        return told
      case "cas":
        if ((now ?? null) !== operation.expect && this.#lie !== "swaps-always") return { ...told, swapped: false }
        if (operation.value === null) this.values.delete(key)
        else this.values.set(key, operation.value)
        return { ...told, swapped: true }
    }
  }
}

/** The whole disk as the store has it, or what is wrong with it. */
function contentOf(store: FakeStore, name: string): Uint8Array | string {
  const root = decodeRoot(store.values.get(`${ROOT_BUCKET}/${rootKey(name)}`) ?? "")
  if (root === null) return "no root"
  const content = new Uint8Array(root.bytes)
  for (const [index, page] of root.pages.entries()) {
    const blocks = page === HOLE ? [] : decodePage(store.values.get(`${BLOCK_BUCKET}/${page}`) ?? "")
    if (blocks === null) return `page ${page} is lost`
    for (const [at, block] of blocks.entries()) {
      if (block === HOLE) continue
      const text = store.values.get(`${BLOCK_BUCKET}/${block}`)
      if (text === undefined) return `block ${block} is lost`
      content.set(decodeBase64(text), (index * CHUNKS_PER_PAGE + at) * CHUNK_BYTES)
    }
  }
  return content
}

function opened(
  store: FakeStore,
  life: number,
  vm = "vm",
): { readonly line: BlockLine; readonly volume: () => StoreVolume | null; readonly refusal: () => string } {
  const line = store.line(`0.${life}`)
  const ask = line.ask.bind(line)
  let volume: StoreVolume | null = null
  let refusal = ""
  VolumeRoot.open({ name: NAME, owner: `machine/${vm}/${life}`, ask }, (root) => {
    if ("refusal" in root) refusal = root.refusal
    else volume = new StoreVolume({ name: NAME, root, ask })
  })
  return { line, volume: () => volume, refusal: () => refusal }
}

function drain(store: FakeStore, lines: readonly BlockLine[], done: () => boolean): void {
  for (let round = 0; round < 20_000 && !done(); round++) if (!store.step()) for (const line of lines) line.repeat()
  if (!done()) throw new Error("the disk does not get on")
}

/** One seed: lives of a VM, each with random requests and a crash at a random moment. Gives what is wrong, or null. */
function tried(seed: number, lie: Lie): string | null {
  const random = new Random(seed)
  const store = new FakeStore(random.fork("store"), lie)
  store.values.set(`${ROOT_BUCKET}/${rootKey(NAME)}`, encodeRoot(newRoot({ bytes: SECTORS * SECTOR, uid: "disk01" })))
  let model: Uint8Array = new Uint8Array(SECTORS * SECTOR)
  for (let life = 1; life <= 3; life++) {
    const { line, volume: get } = opened(store, life)
    drain(store, [line], () => get() !== null)
    const volume = get()!
    /** As the disk was after each write since the last flush that was answered. */
    let moments: Uint8Array[] = [model]
    let wrong: string | null = null
    const durability = random.below(2) === 0 ? "at-flush" : "at-once"
    for (let step = 0; step < 40 && wrong === null; step++) {
      const sector = random.below(SECTORS - 4)
      const bytes = (1 + random.below(4)) * SECTOR
      const kind = random.below(4)
      let answer: DiskAnswer | null = null
      const complete = (said: DiskAnswer): void => void (answer = said)
      if (kind === 0) volume.submit({ kind: "read", tag: 0, sector: BigInt(sector), bytes }, durability, complete)
      else if (kind === 1) volume.submit({ kind: "flush", tag: 0 }, durability, complete)
      else {
        const data = new Uint8Array(bytes).fill(1 + random.below(255))
        volume.submit({ kind: "write", tag: 0, sector: BigInt(sector), data }, durability, complete)
        model = model.slice()
        model.set(data, sector * SECTOR)
        moments.push(model)
      }
      drain(store, [line], () => answer !== null)
      const said = answer as DiskAnswer | null
      if (said?.kind !== "done") wrong = `a request failed in life ${life}`
      else if (kind === 0 && Buffer.compare(said.data ?? new Uint8Array(0), model.slice(sector * SECTOR, sector * SECTOR + bytes)) !== 0)
        wrong = "a read is not what was written"
      else if (kind === 1 || (kind > 1 && durability === "at-once")) moments = [model]
      for (let idle = random.below(6); idle > 0; idle--) store.step()
    }
    if (wrong !== null) return wrong
    // A crash: nothing of this life is heard any more.
    store.forget(line)
    const left = contentOf(store, NAME)
    if (typeof left === "string") return left
    const moment = moments.find((each) => Buffer.compare(each, left) === 0)
    if (moment === undefined) return `after the crash of life ${life} the disk is as it never was`
    model = moment
  }
  return null
}

describe("a disk in the store", () => {
  it("is what was written, and after a crash as it was at one moment since its last flush", () => {
    for (let seed = 1; seed <= 60; seed++) expect([seed, tried(seed, "none")]).toEqual([seed, null])
  })

  it("a store that forgets blocks is seen", () => {
    expect(
      Array.from({ length: 20 }, (_, seed) => tried(seed + 1, "forgets-puts")).filter((wrong) => wrong !== null).length,
    ).toBeGreaterThan(15)
  })

  it.each(["none", "swaps-always"] as const)("belongs to one life at a time (store: %s)", (lie) => {
    const store = new FakeStore(new Random(1), lie)
    store.values.set(`${ROOT_BUCKET}/${rootKey(NAME)}`, encodeRoot(newRoot({ bytes: SECTORS * SECTOR, uid: "disk01" })))
    const write = (volume: StoreVolume, fill: number): (() => DiskAnswer | null) => {
      let answer: DiskAnswer | null = null
      const data = new Uint8Array(SECTOR).fill(fill)
      volume.submit({ kind: "write", tag: 0, sector: 0n, data }, "at-once", (said) => void (answer = said))
      return () => answer
    }
    const first = opened(store, 1)
    drain(store, [first.line], () => first.volume() !== null)
    const second = opened(store, 2)
    drain(store, [second.line], () => second.volume() !== null)
    const late = write(first.volume()!, 1)
    drain(store, [first.line], () => late() !== null)
    expect(late()).toEqual({ kind: lie === "none" ? "failed" : "done" })
    if (lie !== "none") return
    const right = write(second.volume()!, 2)
    drain(store, [second.line], () => right() !== null)
    expect((contentOf(store, NAME) as Uint8Array)[0]).toBe(2)
    const other = opened(store, 3, "other")
    drain(store, [other.line], () => other.refusal() !== "")
    expect(other.refusal()).toContain("disk: kv:data is in use by machine/vm/2")
  })

  it("a copy of its root taken while it is written keeps every block that it names", () => {
    const store = new FakeStore(new Random(7), "none")
    const key = `${ROOT_BUCKET}/${rootKey(NAME)}`
    store.values.set(key, encodeRoot(newRoot({ bytes: SECTORS * SECTOR, uid: "disk01" })))
    const { line, volume } = opened(store, 1)
    drain(store, [line], () => volume() !== null)
    const fill = (value: number): void => {
      let left = 3
      for (let chunk = 0; chunk < 3; chunk++) {
        const data = new Uint8Array(CHUNK_BYTES).fill(value)
        volume()!.submit({ kind: "write", tag: 0, sector: BigInt((chunk * CHUNK_BYTES) / SECTOR), data }, "at-once", () => left--)
      }
      drain(store, [line], () => left === 0)
    }
    fill(1)
    const root = decodeRoot(store.values.get(key)!)!
    store.values.set(key, encodeRoot({ ...root, birth: root.next }))
    store.values.set(`${ROOT_BUCKET}/${rootKey("copy")}`, encodeRoot({ ...root, owner: null, readOnly: true, origin: NAME }))
    for (const value of [2, 3, 4]) fill(value)
    expect(new Set(contentOf(store, NAME) as Uint8Array)).toEqual(new Set([4]))
    expect(new Set(contentOf(store, "copy") as Uint8Array)).toEqual(new Set([1]))
    drain(store, [line], () => line.unanswered === 0)
    // What nobody shares goes: three blocks and a page of each of the two.
    expect([...store.values.keys()].filter((each) => each.startsWith(`${BLOCK_BUCKET}/`)).length).toBe(8)
  })
})
