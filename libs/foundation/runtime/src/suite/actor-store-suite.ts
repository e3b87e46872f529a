/**
 * The laws that every store of actors' values keeps (`Store` in store.ts), whatever lies behind it.
 *
 * A store comes as a `StoreWorld`: opened on a place of its own, and opened there again, as by the next life of a process.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import { Random } from "@backplane/foundation-base/random"
import type { ActorStore, Store } from "../store.ts"

export interface StoreWorld {
  readonly store: Store
  /** Longest key, in characters. */
  readonly keyLengthMax: number
  /** The next life on the same place. What the last one had answered is there. */
  reopen(): Promise<Store>
  close(): Promise<void>
}

const ACTOR = actorId("replica.0")
const OTHER = actorId("replica.1")

function put(store: ActorStore, key: string, value: Json): Promise<Error | null> {
  return new Promise((resolve) => store.write(key, value, resolve))
}

async function opened(store: Store, actor = ACTOR, machine = "m"): Promise<ActorStore> {
  const own = store.open(machine, actor)
  await own.load()
  return own
}

export function actorStoreSuite(name: string, make: () => Promise<StoreWorld>): void {
  describe(`laws of a store: ${name}`, () => {
    let world: StoreWorld
    beforeEach(async () => {
      world = await make()
    })
    afterEach(() => world.close())

    it("gives back what was written last under each key, whatever text it is, and nothing that was removed", async () => {
      const store = await opened(world.store)
      const values: [string, Json][] = [
        ["plain", 1],
        ["with/slash and space", { a: [1, null, true, "ß"] }],
        ["snow ☃ 🚀", "🚀 \u0000 \ud800 x"],
        ["k/bucket/".padEnd(world.keyLengthMax, "k"), "x".repeat(100_000)],
        ["empty", ""],
      ]
      for (const [key, value] of values) expect(await put(store, key, value)).toBeNull()
      expect(await put(store, "plain", 2)).toBeNull()
      expect(await put(store, "gone", 1)).toBeNull()
      expect(await put(store, "gone", null)).toBeNull()
      expect(await put(store, "never", null)).toBeNull()
      const again = (await world.reopen()).open("m", ACTOR)
      expect([...(await again.load())].sort(byKey)).toEqual([...new Map(values).set("plain", 2)].sort(byKey))
    })

    it("answers every write, those of one key in their order, and the last value stays", async () => {
      const store = await opened(world.store)
      const order: number[] = []
      const all = Array.from({ length: 500 }, (_, index) => put(store, `k${index % 7}`, index).then(() => order.push(index)))
      await Promise.all(all)
      for (let key = 0; key < 7; key++) {
        const own = order.filter((index) => index % 7 === key)
        expect(own).toEqual(own.toSorted((a, b) => a - b))
      }
      const restored = await (await world.reopen()).open("m", ACTOR).load()
      expect([...restored].sort(byKey)).toEqual(Array.from({ length: 7 }, (_, key) => [`k${key}`, 499 - ((499 - key) % 7)]))
    })

    it("keeps actors and machines apart", async () => {
      await put(await opened(world.store), "k", "own")
      await put(await opened(world.store, OTHER), "k", "other's")
      await put(await opened(world.store, ACTOR, "m2"), "k", "other machine's")
      const again = await world.reopen()
      const values = await Promise.all([again.open("m", ACTOR), again.open("m", OTHER), again.open("m2", ACTOR)].map((each) => each.load()))
      expect(values.map((each) => each.get("k"))).toEqual(["own", "other's", "other machine's"])
    })

    it("is as a Map over many lives of writes and removals", async () => {
      const random = new Random("lives")
      const reference = new Map<string, Json>()
      let store = await opened(world.store)
      for (let life = 0; life < 5; life++) {
        const writes: Promise<Error | null>[] = []
        for (let write = 0; write < 200; write++) {
          const key = `k${random.below(40)}`
          const value: Json = random.chance(0.3) ? null : { life, write, text: "v".repeat(random.below(300)) }
          if (value === null) reference.delete(key)
          else reference.set(key, value)
          writes.push(put(store, key, value))
          if (random.chance(0.1)) await Promise.all(writes)
        }
        expect((await Promise.all(writes)).every((error) => error === null)).toBe(true)
        store = (await world.reopen()).open("m", ACTOR)
        expect([...(await store.load())].sort(byKey)).toEqual([...reference].sort(byKey))
      }
    })
  })
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}
