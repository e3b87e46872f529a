import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decideMoves, PLACEMENT_RULES, remoteMisses, type PageMove, type PageUse, type PlacementRules } from "./decide-moves.ts"
import { placePage, type Placement } from "./place-page.ts"

const NODES = 4
const misses = fc.array(fc.oneof(fc.constant(0), fc.nat(200)), { minLength: NODES, maxLength: NODES })
const pageUse = (page: number): fc.Arbitrary<PageUse> =>
  fc
    .record({
      home: fc.nat(NODES - 1),
      replicas: fc.subarray([0, 1, 2, 3]),
      reads: misses,
      writes: fc.oneof(fc.constant([0, 0, 0, 0]), misses),
      moves: fc.nat(5),
      movedAt: fc.option(fc.nat(20)),
    })
    .map((use) => ({ page, ...use, replicas: use.replicas.filter((node) => node !== use.home) }))
const uses = fc.integer({ min: 1, max: 12 }).chain((count) => fc.tuple(...Array.from({ length: count }, (_, page) => pageUse(page))))
const AT = { interval: 20 }

/** What the page would have been. */
function applied(use: PageUse, move: PageMove): PageUse {
  if (move.kind === "migrate") return { ...use, home: move.to, replicas: [] }
  return { ...use, replicas: move.kind === "replicate" ? [...use.replicas, ...move.on] : [] }
}

/** All places there are for a page that is only read: the least remote misses that any of them would have had. */
function leastByTryingAll(use: PageUse): number {
  let least = Infinity
  for (let home = 0; home < NODES; home++)
    for (let mask = 0; mask < 2 ** NODES; mask++) {
      const replicas = [0, 1, 2, 3].filter((node) => node !== home && (mask >> node) & 1)
      least = Math.min(least, remoteMisses({ ...use, home, replicas }))
    }
  return least
}

/** The laws, for the decision and for ones gone wrong. */
function broken(decide: typeof decideMoves, rules: PlacementRules = PLACEMENT_RULES): string | null {
  const result = fc.check(
    fc.property(uses, (pages) => {
      const moves = decide(pages, rules, AT)
      const frames = moves.reduce(
        (count, move) => count + (move.kind === "migrate" ? 1 : move.kind === "replicate" ? move.on.length : 0),
        0,
      )
      if (frames > rules.movesMax) return false
      if (new Set(moves.map(({ page }) => page)).size !== moves.length) return false
      for (const move of moves) {
        const use = pages.find(({ page }) => page === move.page)
        if (use === undefined) return false
        const after = applied(use, move)
        const total = [...use.reads, ...use.writes].reduce((sum, each) => sum + each, 0)
        const written = use.writes.reduce((sum, each) => sum + each, 0)
        if (total < rules.hotMisses) return false
        if (move.kind !== "collapse" && remoteMisses(after) > remoteMisses(use)) return false
        if (move.kind === "replicate" && written * 100 > total * rules.readMostlyPercent) return false
        if (move.kind === "collapse" && use.replicas.length === 0) return false
        if (move.kind !== "collapse" && use.movedAt !== null && AT.interval - use.movedAt <= rules.restIntervals) return false
        const again = decide([{ ...after, moves: use.moves + 1, movedAt: null }], rules, AT)
        if (move.kind !== "collapse" && again.some(({ kind }) => kind === "migrate")) return false
      }
      return true
    }),
    { numRuns: 2000, seed: 5 },
  )
  return result.failed ? JSON.stringify(result.counterexample) : null
}

describe("moves of pages", () => {
  it("are few, useful, and not undone by the same use", () => {
    expect(broken(decideMoves)).toBeNull()
    expect(broken(decideMoves, { ...PLACEMENT_RULES, movesMax: 3, migratePercent: 60, restIntervals: 0 })).toBeNull()
  })

  it.each<[string, typeof decideMoves]>([
    ["moves cold pages", (pages, rules, at) => decideMoves(pages, { ...rules, hotMisses: 1 }, at)],
    ["knows no limit", (pages, rules, at) => decideMoves(pages, { ...rules, movesMax: 1000 }, at)],
    ["copies what is written", (pages, rules, at) => decideMoves(pages, { ...rules, readMostlyPercent: 50 }, at)],
    ["lets no page rest", (pages, rules, at) => decideMoves(pages.map((use) => ({ ...use, movedAt: null })), rules, at)],
    ["moves to the neighbour of the right node", (pages, rules, at) => decideMoves(pages, rules, at).map((move) => (move.kind === "migrate" ? { ...move, to: (move.to + 1) % NODES } : move))],
    ["decides twice", (pages, rules, at) => [...decideMoves(pages, rules, at), ...decideMoves(pages, rules, at)]],
  ])("a decision that %s is caught", (_, decide) => {
    expect(broken(decide, { ...PLACEMENT_RULES, movesMax: 4 })).not.toBeNull()
  }) // prettier-ignore

  it("put a page that is only read as well as any place could, when nothing is limited", () => {
    const rules = { ...PLACEMENT_RULES, hotMisses: 1, replicateMisses: 1, migratePercent: 100 }
    fc.assert(
      fc.property(pageUse(0), (use) => {
        const read = { ...use, writes: [0, 0, 0, 0], movedAt: null }
        const after = decideMoves([read], rules, AT).reduce(applied, read)
        expect(remoteMisses(after)).toBe(leastByTryingAll(read))
      }),
      { seed: 5 },
    )
  })

  const use = (more: Partial<PageUse>): PageUse => ({ page: 7, home: 0, replicas: [], reads: [0, 0, 0, 0], writes: [0, 0, 0, 0], moves: 0, movedAt: null, ...more }) // prettier-ignore

  it("go to the one node that uses the page", () => {
    expect(decideMoves([use({ reads: [5, 0, 90, 0], writes: [0, 0, 10, 0] })], PLACEMENT_RULES, AT)).toEqual([
      { kind: "migrate", page: 7, to: 2, gain: 95 },
    ])
  })

  it("copy what many read, leave what many write, and give copies up when one is written", () => {
    expect(decideMoves([use({ reads: [40, 40, 40, 1] })], PLACEMENT_RULES, AT)).toEqual([
      { kind: "replicate", page: 7, on: [1, 2], gain: 80 },
    ])
    expect(decideMoves([use({ reads: [40, 40, 40, 1], writes: [0, 20, 20, 0] })], PLACEMENT_RULES, AT)).toEqual([])
    expect(decideMoves([use({ replicas: [1], reads: [40, 40, 40, 1], writes: [0, 20, 0, 0] })], PLACEMENT_RULES, AT)).toEqual([
      { kind: "collapse", page: 7, gain: 20 },
    ])
  })

  it("take no frame where there is none", () => {
    const at = { ...AT, framesFree: [0, 0, 1, 1] }
    expect(decideMoves([use({ reads: [40, 40, 40, 1] }), use({ page: 8, reads: [0, 0, 90, 0] })], PLACEMENT_RULES, at)).toEqual([
      { kind: "migrate", page: 8, to: 2, gain: 90 },
    ])
  })

  it("of a page that moves often come ever more rarely", () => {
    const at = (moves: number, movedAt: number): number =>
      decideMoves([use({ reads: [0, 90, 0, 0], moves, movedAt })], PLACEMENT_RULES, AT).length
    expect([at(1, 17), at(1, 18), at(2, 15), at(2, 16)]).toEqual([1, 0, 1, 0])
  })
})

describe("the place of a new page", () => {
  const place = (placement: Placement, page: number, framesFree: readonly number[] = [9, 9, 9, 9]): number | null =>
    placePage(placement, { page, toucher: 1 }, framesFree)

  it("is what the placement says", () => {
    expect([4, 5, 6].map((page) => place({ kind: "interleave" }, page))).toEqual([0, 1, 2])
    expect([4, 5, 6].map((page) => place({ kind: "first-touch" }, page))).toEqual([1, 1, 1])
    expect([4, 5, 6].map((page) => place({ kind: "local", node: 3 }, page))).toEqual([3, 3, 3])
    expect([4, 5, 6].map((page) => place({ kind: "bind", nodes: [0, 3] }, page))).toEqual([0, 3, 0])
  })

  it("is another when that node is full, if the placement allows another", () => {
    expect(place({ kind: "first-touch" }, 0, [9, 0, 0, 9])).toBe(3)
    expect(place({ kind: "interleave" }, 3, [9, 0, 0, 0])).toBe(0)
    expect(place({ kind: "bind", nodes: [1, 2] }, 0, [9, 0, 0, 9])).toBeNull()
    expect(place({ kind: "local", node: 2 }, 0, [9, 9, 0, 9])).toBeNull()
  })
})
