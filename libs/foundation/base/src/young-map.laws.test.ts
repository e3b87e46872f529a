import { getHeapSpaceStatistics } from "node:v8"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { YoungMap } from "./young-map.ts"

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant("set" as const), key: fc.nat(40), value: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("delete" as const), key: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("drop oldest" as const) }) },
)

describe("young map", () => {
  it("is as a Map, in the same order, whatever comes and goes", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
        const map = new Map<number, number>()
        const young = new YoungMap<number, number>()
        for (const each of steps) {
          if (each.type === "set") {
            map.set(each.key, each.value)
            young.set(each.key, each.value)
          } else {
            const key = each.type === "delete" ? each.key : map.keys().next().value
            if (each.type === "drop oldest") expect(young.firstKey()).toBe(key)
            if (key === undefined) continue
            expect(young.delete(key)).toBe(map.delete(key))
            expect(young.has(key)).toBe(false)
          }
          expect(young.size).toBe(map.size)
        }
        expect(young.entries()).toEqual([...map])
        expect(young.values()).toEqual([...map.values()])
        for (let key = 0; key <= 40; key++) expect(young.get(key)).toBe(map.get(key))
        expect(young.some((value) => value > 1_000)).toBe([...map.values()].some((value) => value > 1_000))
      }),
      { numRuns: 100 },
    )
  })

  it("tells what is in it now, though more comes while that is gone through", () => {
    const young = new YoungMap<number, number>()
    for (let key = 0; key < 10; key++) young.set(key, key)
    const seen: number[] = []
    for (const value of young.values()) {
      seen.push(value)
      young.delete(value)
      for (let key = 0; key < 100; key++) young.set(1_000 + key, key)
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it("lets what has passed through it go while it is young, which a Map does not", () => {
    const [kept, old] = [keptBy(new YoungMap<number, unknown>()), keptBy(new Map<number, unknown>())]
    // If a Map of this V8 is no worse, this class has had its day.
    expect(kept).toBeLessThan(old / 2)
  })
})

/** How much the old generation grows by, in bytes, while many objects pass through the map, a few of them in it at any time. */
function keptBy(map: { set(key: number, value: unknown): unknown; delete(key: number): boolean }): number {
  const used = (): number => getHeapSpaceStatistics().find(({ space_name: name }) => name === "old_space")?.space_used_size ?? 0
  let lazy: readonly number[] = []
  let grown = 0
  let before = used()
  for (let key = 0; key < 400_000; key++) {
    map.set(key, { first: [key, key], second: [key, key], third: [key, key] })
    map.delete(key - 64)
    // Once nothing comes for so long that its table becomes old.
    if (key === 1_000) for (let count = 0; count < 3_000_000; count++) lazy = [count]
    if (key % 1_000 > 0) continue
    const now = used()
    // A full collection may come between: only growth counts.
    grown += Math.max(0, now - before)
    before = now
  }
  return lazy.length > 0 ? grown : 0
}
