import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { Random } from "@backplane/foundation-base/random"
import { allowedNodes, balloonTargets, chooseVictims, missingForBalloon, missingForSwap, reclaimLevel } from "./reclaim.ts"
import { placePage, type Placement } from "./place-page.ts"

const ORDER = ["low", "hard", "soft", "high"] as const
const frames = fc.integer({ min: 1, max: 100_000 })

describe("reclaiming", () => {
  it("is the more urgent the fewer frames are free, as ESX has it", () => {
    expect([1000, 60, 40, 39, 20, 19, 10, 9, 0].map((free) => reclaimLevel(free, 1000))).toEqual([
      ..."high high high soft soft hard hard low low".split(" "),
    ])
    fc.assert(
      fc.property(frames, fc.nat(), fc.nat(), (all, a, b) => {
        const [less, more] = [a % (all + 1), b % (all + 1)].sort((x, y) => x - y) as [number, number]
        expect(ORDER.indexOf(reclaimLevel(less, all))).toBeLessThanOrEqual(ORDER.indexOf(reclaimLevel(more, all)))
      }),
    )
  })

  it("wants back what leads out of it, and nothing where nothing is short", () => {
    fc.assert(
      fc.property(frames, fc.nat(), (all, some) => {
        const free = some % (all + 1)
        const level = reclaimLevel(free, all)
        expect(missingForSwap(free, all) > 0).toBe(level === "hard" || level === "low")
        if (missingForSwap(free, all) > 0 && all >= 100)
          expect(["soft", "high"]).toContain(reclaimLevel(free + missingForSwap(free, all), all))
        if (level !== "high" && all >= 100) expect(missingForBalloon(free, all)).toBeGreaterThan(0)
      }),
    )
  })

  it("asks spaces by their size, in all for what is missing, and none for more than it has", () => {
    const space = fc.record({ space: fc.uuid(), frames: fc.nat(5000), given: fc.nat(100) })
    fc.assert(
      fc.property(fc.uniqueArray(space, { selector: (each) => each.space, maxLength: 6 }), fc.nat(1000), (spaces, missing) => {
        const targets = balloonTargets(spaces, missing)
        const more = spaces.map(({ space: name, given }) => (targets.get(name) ?? 0) - given)
        const total = spaces.reduce((sum, { frames: has }) => sum + has, 0)
        spaces.forEach(({ frames: has }, index) => expect(more[index]).toBeLessThanOrEqual(has))
        expect(more.reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(Math.min(missing, total))
      }),
    )
  })

  it("takes as many different pages as it can, older ones rather than young ones", () => {
    const pages = Array.from({ length: 400 }, (_, usedAt) => ({ usedAt }))
    const chosen = chooseVictims(pages, 40, new Random(1))
    expect(new Set(chosen).size).toBe(40)
    expect(chosen.reduce((sum, { usedAt }) => sum + usedAt, 0) / 40).toBeLessThan(100)
    expect(chooseVictims(pages, 1000, new Random(1))).toHaveLength(400)
  })

  it("looks for victims where the placement would have put the page", () => {
    const placements: readonly Placement[] = [
      { kind: "first-touch" },
      { kind: "interleave" },
      { kind: "local", node: 1 },
      { kind: "bind", nodes: [2, 0] },
    ]
    for (const placement of placements)
      for (let page = 0; page < 6; page++) {
        const allowed = allowedNodes(placement, { page, toucher: 2 }, 3)
        expect(placePage(placement, { page, toucher: 2 }, [1, 1, 1])).toBe(allowed[0])
        const free = [0, 1, 2].map((node) => (allowed.includes(node) ? 0 : 1))
        expect(placePage(placement, { page, toucher: 2 }, free)).toBeNull()
      }
  })
})
