/** Visitors against a small store of siblings in this process: what two put back at once is merged by whoever looks next, and nothing is lost. */
import { Random } from "@backplane/foundation-base/random"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import type { Vector } from "@backplane/kv-contract/versions"
import { describe, expect, it } from "vitest"
import { filled, Visitors } from "./visitors.ts"

/** Versions with the number of the write as their context: a put replaces what its context covers. */
class SiblingStore {
  readonly #keys = new Map<string, readonly { readonly write: number; readonly value: string }[]>()
  #writes = 0
  siblingsSeen = 0
  readonly written = new Set<string>()

  answer(operation: Operation, sequence: number): KvAnswer {
    if (operation.type !== "get" && operation.type !== "put") throw new Error(operation.type)
    const versions = this.#keys.get(operation.key) ?? []
    if (operation.type === "put") {
      const covered = operation.context?.["store"] ?? 0
      const kept = versions.filter(({ write }) => write > covered)
      this.#keys.set(operation.key, [...kept, { write: ++this.#writes, value: operation.value }])
      this.written.add(operation.key)
    }
    const values = this.#keys.get(operation.key) ?? []
    if (values.length > 1) this.siblingsSeen++
    const context: Vector = { store: Math.max(0, ...values.map(({ write }) => write)) }
    return { sequence, ok: true, values: values.map(({ value }) => value), context }
  }
}

describe("visitors of the store", () => {
  it("write concurrently now and then, and merge what they find", async () => {
    const store = new SiblingStore()
    let asked = 0
    const ask = async (operation: Operation): Promise<KvAnswer> => {
      await Promise.resolve()
      if (++asked >= 900) visitors.stop()
      return store.answer(operation, asked)
    }
    const random = new Random(7)
    const visitors = new Visitors({
      visitors: [ask, ask],
      random: () => random.below(1000) / 1000,
      sleep: () => Promise.resolve(),
      pauseMilliseconds: 1,
    })
    await visitors.run()
    expect(visitors.counts.puts).toBeGreaterThan(400)
    expect(store.siblingsSeen).toBeGreaterThan(50)
    expect(visitors.counts.merges).toBeGreaterThan(20)
    expect([...store.written].sort()).toEqual(["demo/basket-0", "demo/basket-1", "demo/basket-2"])
  })

  it("go on where the store refuses", async () => {
    let asked = 0
    const ask = (operation: Operation): Promise<KvAnswer> => {
      if (++asked === 5) visitors.stop()
      expect(operation.type).toBe("get")
      return Promise.resolve({ sequence: asked, ok: false, reason: "quorum-not-met", remedy: "wait", unknown: false })
    }
    const visitors = new Visitors({ visitors: [ask], random: () => 0, sleep: () => Promise.resolve(), pauseMilliseconds: 1 })
    await visitors.run()
    expect(visitors.counts).toEqual({ puts: 0, merges: 0, refused: 5 })
  })

  it("fill a basket with the union of its siblings, empty a full one, and read no nonsense", () => {
    expect(filled(['["a","b"]', '["b","c"]'], "d")).toEqual(["a", "b", "c", "d"])
    expect(filled(['["1","2","3","4","5","6","7","8"]'], "9")).toEqual(["9"])
    expect(filled(["no JSON", '{"a":1}', "[1]"], "x")).toEqual(["x"])
  })
})
