/** Which devices a guest finds, and which hart hears of them: by flags. */
import { describe, expect, it } from "vitest"
import { affinityOf, devicesOf } from "./boot-devices.ts"
import { planOf, type BootFlags } from "./boot-flags.ts"

const flags = (change: Partial<BootFlags>): BootFlags => ({
  kernel: "not read",
  cpus: 1,
  memory: 16 << 20,
  mode: "trap",
  trapPath: "resident",
  ...change,
})

describe("boot's devices", () => {
  it("chance with a seed is the same again, and another with another seed", () => {
    const [one, again, other] = ["a", "a", "b"].map((virtioRng) => devicesOf(flags({ virtioRng })).options.virtio!.entropy!(16))
    expect(one).toEqual(again)
    expect(one).not.toEqual(other)
    expect(devicesOf(flags({ virtioRng: "random" })).options.virtio!.entropy!(5)).toHaveLength(5)
  })

  it("a disk in the store needs a machine with one", () => {
    expect(() => devicesOf(flags({ disk: "kv:data" }))).toThrow(
      "--disk: kv:data is in a store, and there is none in this process; give --live or --sim",
    )
  })

  it("polling is run or give-way, and nobody gives turns natively", () => {
    expect(planOf(flags({ polling: "give-way", mmu: "nested" }))).toEqual({ mode: "trap", mmu: "nested" })
    expect(() => planOf(flags({ polling: "nicely" }))).toThrow("--polling: there is no nicely; give run or give-way")
    expect(() => planOf(flags({ polling: "give-way", mode: "native" }))).toThrow("--polling: native CPUs are given no turns")
  })

  it("an affinity names sources and harts that exist", () => {
    expect([...affinityOf("10:0,1:1+2", 3)]).toEqual([
      [10, 1],
      [1, 6],
    ])
    for (const text of ["10", "10:", "x:0", "96:0", "0:0", "10:3", "10:0+"]) expect(() => affinityOf(text, 3)).toThrow("--irq-affinity: ")
  })
})
