/** The model against stupider ones: a cache as a list of what was touched, one word of memory at a time, and the invariants of MESI. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { resolveTiming } from "@backplane/scenario-machine/timing-presets"
import { FifoTlb, LruCache } from "./cache-sets.ts"
import { timingParameters } from "./timing-parameters.ts"
import { TimingReference } from "./timing-reference.ts"
import type { TimingParameters } from "@backplane/compute-contract/timing"

const lines = fc.array(fc.nat(40), { maxLength: 200 })
const shape = fc.record({ sets: fc.constantFrom(1, 2, 4), ways: fc.integer({ min: 1, max: 4 }) })

/** A hit is a line that fewer than `ways` others of its set were touched after. */
function hitsByDistance(touched: readonly number[], { sets, ways }: { readonly sets: number; readonly ways: number }): boolean[] {
  return touched.map((line, at) => {
    const before = touched.slice(0, at)
    const last = before.lastIndexOf(line)
    const between = new Set(before.slice(last + 1).filter((other) => other % sets === line % sets))
    return last >= 0 && between.size < ways
  })
}

describe("one cache", () => {
  it("hits what an LRU list of its sets would hit", () => {
    fc.assert(
      fc.property(lines, shape, (touched, size) => {
        const cache = new LruCache<"here">(size)
        const hits = touched.map((line) => {
          const hit = cache.find(line) !== null
          if (hit) cache.touch(line)
          else cache.insert(line, "here")
          return hit
        })
        expect(hits).toEqual(hitsByDistance(touched, size))
      }),
      { seed: 5 },
    )
  })

  it("fills an emptied way before it loses another line", () => {
    const cache = new LruCache<"here">({ sets: 1, ways: 2 })
    cache.insert(1, "here")
    cache.insert(2, "here")
    cache.drop(2)
    expect(cache.insert(3, "here")).toBeNull()
    expect(cache.insert(4, "here")).toEqual({ line: 1, state: "here" })
  })
})

describe("the TLB", () => {
  it("loses what came first, however often it was used", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { maxLength: 100 }), (pages) => {
        const tlb = new FifoTlb({ sets: 1, ways: 4 })
        let queue: number[] = []
        for (const page of pages) {
          const there = queue.includes(page)
          expect(tlb.touch(1n, page)).toBe(there)
          if (!there) queue = [...queue, page].slice(-4)
        }
      }),
      { seed: 5 },
    )
  })

  it("keeps address spaces apart", () => {
    const tlb = new FifoTlb({ sets: 1, ways: 4 })
    expect([tlb.touch(1n, 7), tlb.touch(2n, 7), tlb.touch(1n, 7)]).toEqual([false, false, true])
  })
})

const SMALL: TimingParameters = {
  ...timingParameters(resolveTiming({ preset: "disco1997" }), { nodes: 2 }),
  firstLevel: { sets: 2, ways: 2 },
  secondLevel: { sets: 4, ways: 2, hitCycles: 5 },
}
const step = fc.record({ cpu: fc.nat(3), access: fc.constantFrom("read", "write", "fetch" as const), line: fc.nat(20) })
const steps = fc.array(step, { maxLength: 150 })

describe.each(["invalidate", "update"] as const)("four CPUs on two nodes, protocol %s", (protocol) => {
  const machine = (): TimingReference => new TimingReference({ ...SMALL, protocol }, { cpus: 4 })

  it("never have a line modified or exclusive in one cache and anything in another", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const reference = machine()
        for (const { cpu, access, line } of all) {
          reference.access(cpu, access, line * 64, 8)
          for (let each = 0; each <= 20; each++) {
            const held = reference.holders(each)
            const owners = held.filter(({ state }) => state !== "shared")
            if (owners.length > 0) expect(held.filter(({ cache }) => cache === "data")).toHaveLength(1)
          }
        }
      }),
      { seed: 5, numRuns: 60 },
    )
  })

  it("take time only forward, and none for a line that was just used", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const reference = machine()
        for (const { cpu, access, line } of all) {
          const before = reference.counters(cpu).cycles
          reference.access(cpu, access, line * 64, 8)
          const after = reference.counters(cpu).cycles
          expect(after).toBeGreaterThanOrEqual(before)
          reference.access(cpu, access === "write" ? "read" : access, line * 64, 8)
          expect(reference.counters(cpu).cycles).toBe(after)
        }
      }),
      { seed: 5, numRuns: 60 },
    )
  })

  it("count every miss of the second level at exactly one memory", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const reference = machine()
        for (const { cpu, access, line } of all) reference.access(cpu, access, line * 64, 8)
        const sum = (name: "localMisses" | "remoteMisses"): number =>
          [0, 1, 2, 3].reduce((total, cpu) => total + reference.counters(cpu)[name], 0)
        const pages = [0].map((frame) => reference.pageMisses(frame))
        const counted = pages.flatMap(({ reads, writes }) => [...reads, ...writes]).reduce((total, each) => total + each, 0)
        expect(sum("localMisses") + sum("remoteMisses")).toBe(counted)
      }),
      { seed: 5, numRuns: 60 },
    )
  })
})

describe("latencies", () => {
  const reference = (): TimingReference => new TimingReference(SMALL, { cpus: 4 })

  it("are those of the table: memory near and far, two hops and three", () => {
    const near = reference()
    near.access(0, "read", 0, 8)
    expect(near.counters(0).cycles).toBe(120)
    near.access(2, "read", 64 * 64, 8)
    // On another node's page, which node 0 touched first.
    near.access(2, "read", 64, 8)
    expect(near.counters(2)).toMatchObject({ localMisses: 1, remoteMisses: 1, cycles: 120 + 360 })
    const three = new TimingReference({ ...SMALL, nodes: 3, memoryOccupancyCycles: 0 }, { cpus: 3 })
    three.access(0, "read", 0, 8)
    three.access(1, "write", 64, 8)
    three.access(2, "read", 64, 8)
    expect(three.counters(2)).toMatchObject({ threeHopMisses: 1, cycles: 480 })
  })

  it("of a page with a copy are local for readers, until a store ends the copy and waits for it", () => {
    const copied = reference()
    copied.place(0, 0)
    copied.replicate(0, [1])
    copied.access(2, "read", 0, 8)
    expect(copied.counters(2)).toMatchObject({ localMisses: 1, remoteMisses: 0 })
    copied.access(0, "write", 64, 8)
    expect(copied.counters(0)).toMatchObject({ collapses: 1, cycles: 120 + SMALL.collapseCycles })
    expect(copied.copies(0)).toEqual([])
  })
})
