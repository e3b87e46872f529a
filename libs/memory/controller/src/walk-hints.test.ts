import { describe, expect, it } from "vitest"
import { newPage, type DirectoryPage } from "./directory-page.ts"
import { freeForWalk } from "./walk-hints.ts"

const NODES = 2
const STORE = NODES

function page(home: number, change: (page: DirectoryPage) => void = () => undefined): DirectoryPage {
  const made = newPage(NODES, home)
  change(made)
  return made
}

function free(
  known: Readonly<Record<number, DirectoryPage>>,
  { pages, place = () => 1 }: { readonly pages: readonly number[]; readonly place?: () => number | null },
): readonly number[] {
  const entries = Object.entries(known).map(([number, each]): [number, DirectoryPage] => [Number(number), each])
  return freeForWalk({ node: 0, pages: [...pages] }, { nodes: NODES, pages: new Map(entries), place })
}

describe("pages that a walk comes to", () => {
  it("are had ahead where the frame has the bytes, or readers have copies", () => {
    const pages = { 1: page(1), 2: page(0), 3: page(1, ({ entry }) => (entry.state = "S")) }
    expect(free(pages, { pages: [1, 2, 3] })).toEqual([1, 2, 3])
  })

  it("are left to whoever writes them, to the store, and alone while they are served, moved or lost", () => {
    const pages = {
      1: page(1, ({ entry }) => (entry.state = "X")),
      2: page(STORE),
      3: page(1, (each) => (each.lost = 1)),
      4: page(
        1,
        ({ entry }) =>
          (entry.transaction = { kind: "GetS", node: 1, txn: 1, want: "S", acks: 0, waiting: 0, unstored: false, unblocked: false }),
      ),
      5: page(1, ({ entry }) => (entry.state = "D")),
    }
    expect(free(pages, { pages: [1, 2, 3, 4, 5] })).toEqual([])
  })

  it("that nobody has touched are had only where their frame would lie elsewhere anyway", () => {
    expect(free({}, { pages: [7, 8] })).toEqual([7, 8])
    expect(free({}, { pages: [7, 8], place: () => 0 })).toEqual([])
    expect(free({}, { pages: [7, 8], place: () => null })).toEqual([])
  })
})
