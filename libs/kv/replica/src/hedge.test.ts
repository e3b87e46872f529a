import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { Hedge } from "./hedge.ts"

describe("asking one more", () => {
  it("begins where about one in twenty takes longer", () => {
    const random = new Random("hedge")
    const hedge = new Hedge({ least: 10, most: 10_000 })
    let over = 0
    for (let index = 0; index < 20_000; index++) {
      const took = 100 + random.below(1000)
      if (index >= 10_000 && took > hedge.cycles) over++
      hedge.answered(took)
    }
    expect(over / 10_000).toBeGreaterThan(0.03)
    expect(over / 10_000).toBeLessThan(0.08)
  })

  it("stays within its limits", () => {
    const hedge = new Hedge({ least: 50, most: 200 })
    for (let index = 0; index < 1000; index++) hedge.answered(1)
    expect(hedge.cycles).toBe(50)
    for (let index = 0; index < 1000; index++) hedge.answered(1000)
    expect(hedge.cycles).toBe(200)
  })

  it("is for one question in ten, and some that were saved up", () => {
    const hedge = new Hedge({ least: 10, most: 100 })
    let twice = 0
    for (let index = 0; index < 1000; index++) {
      hedge.asked()
      if (hedge.take()) twice++
    }
    expect(twice).toBeGreaterThanOrEqual(100)
    expect(twice).toBeLessThanOrEqual(140)
  })
})
