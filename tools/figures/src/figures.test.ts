/** The shape of every figure, in its short form: who wins, what grows, where lines cross. Virtual time is the same on every computer. */
import { describe, expect, it } from "vitest"
import { cacheAffinity, threads } from "./core-figures.ts"
import { figureText, type VirtualFigure } from "./figure.ts"
import { teachingKernel } from "./kernel-figures.ts"
import { falseSharing, kernelLocks, spinLocks } from "./lock-figures.ts"
import { vcpuMigration } from "./migration-figure.ts"
import { dataOrComputation, discoPolicies, placement } from "./numa-figures.ts"

const value = ({ values }: VirtualFigure, name: string): number => {
  const found = values[name]
  if (found === undefined) throw new Error(`no value ${name} in ${Object.keys(values).join(", ")}`)
  return found
}

describe("spin locks (Anderson 1990)", () => {
  const figure = spinLocks("short")
  const at = (name: string): number => value(figure, name)

  it("that spin on one word grow with the CPUs, test-and-set the most", () => {
    expect(at("tas_16")).toBeGreaterThan(3 * at("tas_4"))
    expect(at("ttas_16")).toBeGreaterThan(2 * at("ttas_4"))
    expect(at("tas_16")).toBeGreaterThan(at("ttas_16"))
    expect(at("ttas_16")).toBeGreaterThan(at("ticket_16"))
  })

  it("with a place of its own for each waiter do not care how many wait", () => {
    for (const name of ["queue", "array"]) {
      expect(at(`${name}_16`)).toBeLessThan(1.1 * at(`${name}_4`))
      expect(at(`${name}_16`)).toBeLessThan(0.5 * at("ttas_16"))
    }
  })

  it("with backoff lie between, and all are cheap alone", () => {
    expect(at("backoff_16")).toBeLessThan(at("ttas_16"))
    expect(at("backoff_16")).toBeGreaterThan(at("queue_16"))
    for (const name of ["tas", "ttas", "backoff", "ticket", "queue"]) expect(at(`${name}_1`)).toBeLessThan(0.3 * at(`${name}_4`))
    // The simpler, the cheaper without contention.
    expect(at("tas_1")).toBeLessThan(at("queue_1"))
  })

  it("are the same figure again, to the cycle", () => {
    expect(spinLocks("short")).toEqual(figure)
    expect(figureText(figure)).toContain("test-and-test-and-set")
  })
})

describe("a kernel's table", () => {
  it("under one lock stops growing, under a lock a row or none it grows with the CPUs", () => {
    const figure = kernelLocks("short")
    expect(value(figure, "big_8")).toBeLessThan(5)
    expect(value(figure, "fine_8")).toBeGreaterThan(7)
    expect(value(figure, "free_8")).toBeGreaterThan(7)
  })
})

describe("the teaching kernel", () => {
  it("with one lock makes processes wait for each other's system calls; with a lock for each thing much less", () => {
    const figure = teachingKernel("short")
    expect(value(figure, "big_1")).toBeLessThan(1.1 * value(figure, "fine_1"))
    expect(value(figure, "big_4")).toBeGreaterThan(1.3 * value(figure, "fine_4"))
  })
})

describe("false sharing", () => {
  it("costs nothing alone, much in a node, most between nodes; updates are cheaper than losing the line", () => {
    const figure = falseSharing("short")
    expect(value(figure, "together_1")).toBe(value(figure, "apart_1"))
    expect(value(figure, "apart_4")).toBeLessThan(1.1 * value(figure, "apart_1"))
    expect(value(figure, "together_4")).toBeGreaterThan(5 * value(figure, "apart_4"))
    expect(value(figure, "updated_4")).toBeLessThan(value(figure, "together_4"))
    expect(value(figure, "two_nodes_4")).toBeGreaterThan(3 * value(figure, "together_4"))
  })
})

describe("migration and replication of pages (Disco 1997)", () => {
  const figure = discoPolicies("short")
  it.each(["engineering", "raytrace"])("%s: misses become local, and time is saved", (name) => {
    expect(value(figure, `${name}_local_before`)).toBeLessThan(0.2)
    expect(value(figure, `${name}_local_after`)).toBeGreaterThan(0.7)
    expect(value(figure, `${name}_time_saved`)).toBeGreaterThan(0.2)
    expect(value(figure, `${name}_time_saved`)).toBeLessThan(0.5)
  })

  it("moves what one CPU uses, and copies what all read", () => {
    expect(value(figure, "engineering_migrated")).toBeGreaterThan(10 * value(figure, "engineering_replicated"))
    expect(value(figure, "raytrace_replicated")).toBeGreaterThan(value(figure, "raytrace_migrated"))
  })
})

describe("placement", () => {
  it("on the own node is best; dealt around costs distance, all on one node the queue as well", () => {
    const figure = placement("short")
    expect(value(figure, "first_touch_local")).toBeGreaterThan(0.95)
    expect(value(figure, "interleave_local")).toBeCloseTo(0.25, 1)
    // Whether by a rule or because one CPU touched all first: two of eight CPUs have their data near.
    expect(value(figure, "node_0_local")).toBeCloseTo(0.25, 1)
    expect(value(figure, "one_filled_local")).toBeCloseTo(0.25, 1)
    expect(value(figure, "interleave_cycles")).toBeGreaterThan(1.2 * value(figure, "first_touch_cycles"))
    expect(value(figure, "node_0_cycles")).toBeGreaterThan(1.1 * value(figure, "interleave_cycles"))
    expect(value(figure, "one_filled_cycles")).toBeGreaterThan(1.1 * value(figure, "interleave_cycles"))
  })
})

describe("moving the data or the computation", () => {
  it("asking wins when each use is single, moving when uses come in rows", () => {
    const figure = dataOrComputation("short")
    expect(value(figure, "computation_1")).toBeLessThan(0.5 * value(figure, "data_1"))
    expect(value(figure, "data_64")).toBeLessThan(value(figure, "computation_64"))
  })
})

describe("cache affinity", () => {
  it("matters the more, the shorter the slices", () => {
    const figure = cacheAffinity("short")
    expect(value(figure, "slower_10000")).toBeGreaterThan(2)
    expect(value(figure, "slower_100000")).toBeGreaterThan(1.2)
    expect(value(figure, "slower_100000")).toBeLessThan(value(figure, "slower_10000"))
  })
})

describe("two threads of one core", () => {
  it("gain nothing when neither waits, and 1.2 to 1.8 in mixtures", () => {
    const figure = threads("short")
    expect(value(figure, "mixture_0")).toBeGreaterThan(0.98)
    expect(value(figure, "mixture_0")).toBeLessThan(1.02)
    for (const mixture of [1, 2, 3, 4, 5]) {
      expect(value(figure, `mixture_${mixture}`)).toBeGreaterThan(1.19)
      expect(value(figure, `mixture_${mixture}`)).toBeLessThan(1.8)
    }
    expect(value(figure, "mixture_6")).toBeGreaterThan(1.8)
    expect(value(figure, "mixture_6")).toBeLessThan(2.01)
  })
})

describe("a vCPU that moves to another node", () => {
  const figure = vcpuMigration("short")
  const at = (name: string): number => value(figure, name)

  it("finds its pages beside it where they go along, later where counters bring them, never where they stay", () => {
    expect(at("follow_0_local")).toBeGreaterThan(at("counters_0_local"))
    expect(at("counters_0_local")).toBeGreaterThan(at("stay_0_local") + 0.3)
    expect(at("follow_0_cycles")).toBeLessThan(at("counters_0_cycles"))
    expect(at("counters_0_cycles")).toBeLessThan(0.8 * at("stay_0_cycles"))
  })

  it("pays for it each time: who moves all the while carries its pages about more often than counters would", () => {
    expect(at("follow_2_moves")).toBeGreaterThan(3)
    expect(at("follow_2_moved")).toBeGreaterThan(1.5 * at("counters_2_moved"))
    expect(at("follow_0_cycles") / at("stay_0_cycles")).toBeLessThan(at("follow_1_cycles") / at("stay_1_cycles"))
  })
})
