/** The data structures against a plain array that is searched from the front each time. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LevelLists } from "./level-lists.ts"
import { TaskList } from "./task-list.ts"
import { TaskTree } from "./task-tree.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 150) }
const LEVELS = 70

interface Naive {
  readonly item: number
  readonly key: number
  readonly weight: number
  readonly rank: number
}

const step = fc.record({
  what: fc.constantFrom("insert", "front", "remove"),
  key: fc.nat(9),
  weight: fc.nat(5),
  rank: fc.nat(9),
  at: fc.nat(40),
})

describe("task tree", () => {
  it("holds the same order, sums and least ranks as a sorted array", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(9), fc.nat(3), (steps, keyMost, divisor) => {
        const tree = new TaskTree<number>()
        let naive: Naive[] = []
        for (const [item, one] of steps.entries()) {
          if (one.what === "remove") {
            const gone = naive[one.at % Math.max(1, naive.length)]
            expect(tree.remove(gone?.item ?? -1)).toBe(gone !== undefined)
            naive = naive.filter((other) => other !== gone)
          } else {
            const entry = { item, key: one.key, weight: one.weight, rank: one.rank }
            tree.insert(entry)
            naive = [...naive, entry].sort((a, b) => a.key - b.key || a.item - b.item)
          }
          const passes = (other: number): boolean => other % (divisor + 1) === 0
          expect(tree.items()).toEqual(naive.map((other) => other.item))
          expect(tree.first?.item).toBe(naive[0]?.item)
          expect(tree.find(passes)).toBe(naive.find((other) => passes(other.item))?.item)
          expect(tree.findLast(passes)).toBe(naive.findLast((other) => passes(other.item))?.item)
          expect(tree.leastRank(keyMost, passes)).toBe(naiveLeastRank(naive.filter((other) => other.key <= keyMost && passes(other.item))))
          expect(tree.weightSum).toBe(naive.reduce((sum, other) => sum + other.weight, 0))
        }
        const tickets = naive.flatMap((other) => Array.from({ length: other.weight }, () => other.item))
        expect(tickets.map((_, ticket) => tree.atWeight(ticket))).toEqual(tickets)
        expect(tree.atWeight(tickets.length)).toBeUndefined()
      }),
      RUNS,
    )
  })

  it("stays shallow: ten thousand items in ascending order are walked without a deep stack", () => {
    const tree = new TaskTree<number>()
    for (let item = 0; item < 10_000; item++) tree.insert({ item, key: item, weight: 1, rank: -item })
    expect(tree.leastRank(5000, () => true)).toBe(5000)
    for (let item = 0; item < 9_999; item++) tree.remove(item)
    expect(tree.items()).toEqual([9_999])
  })
})

function naiveLeastRank(entries: readonly Naive[]): number | undefined {
  return entries.reduce<Naive | undefined>((best, one) => (best === undefined || one.rank < best.rank ? one : best), undefined)?.item
}

describe("task list", () => {
  it("is an array with pushes at both ends and removals anywhere", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const list = new TaskList<number>()
        const naive: number[] = []
        for (const [item, one] of steps.entries()) {
          if (one.what === "remove") {
            const index = one.at % Math.max(1, naive.length)
            expect(list.remove(naive[index] ?? -1)).toBe(naive.splice(index, 1).length === 1)
          } else if (one.what === "front") {
            list.pushFront(item)
            naive.unshift(item)
          } else {
            list.pushBack(item)
            naive.push(item)
          }
          expect(list.items()).toEqual(naive)
          expect([list.first, list.length]).toEqual([naive[0], naive.length])
          expect(list.find((other) => other % 3 === 0)).toBe(naive.find((other) => other % 3 === 0))
        }
      }),
      RUNS,
    )
  })
})

describe("level lists", () => {
  it("find what an array of arrays finds, over more than two words of levels", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ keep: fc.boolean(), front: fc.boolean(), level: fc.nat(LEVELS - 1), at: fc.nat(40) }), { maxLength: 60 }),
        (steps) => {
          const lists = new LevelLists<number>(LEVELS)
          const naive = Array.from({ length: LEVELS }, (): number[] => [])
          for (const [item, { keep, front, level, at }] of steps.entries()) {
            const list = naive[level] ?? []
            if (!keep) {
              const index = at % Math.max(1, list.length)
              expect(lists.remove(level, list[index] ?? -1)).toBe(list.splice(index, 1).length === 1)
            } else if (front) {
              lists.pushFront(level, item)
              list.unshift(item)
            } else {
              lists.pushBack(level, item)
              list.push(item)
            }
            expect(lists.items()).toEqual(naive.flat())
            expect(lists.length).toBe(naive.flat().length)
            expect(lists.find(() => true)).toBe(naive.flat()[0])
            expect(lists.find((other) => other % 3 === 0)).toBe(naive.flat().find((other) => other % 3 === 0))
          }
        },
      ),
      RUNS,
    )
  })
})
