/**
 * Which pages a node that goes through memory may have before it asks for them: those that can be had without harm to others.
 *
 * No page that somebody writes (its owner would lose the right to), none that is being moved or served, none in the page store (memory is short),
 * and none that nobody has touched where it would get its frame at the reader: it might never come there. Only hints: nothing is kept, and a page
 * that is asked for by mistake is served like any other. Pure.
 */
import type { PagesWanted } from "@backplane/memory-contract/coherence-messages"
import type { DirectoryPage } from "./directory-page.ts"

export interface WalkView {
  readonly nodes: number
  /** Null: nobody has touched the space yet. */
  readonly pages: ReadonlyMap<number, DirectoryPage> | null
  /** Where an untouched page would get its frame; null: memory is out. */
  readonly place: (page: number) => number | null
}

export function freeForWalk({ node, pages }: Pick<PagesWanted, "node" | "pages">, view: WalkView): readonly number[] {
  return pages.filter((number) => {
    const page = view.pages?.get(number)
    if (page !== undefined) return isQuiet(page, view.nodes)
    const home = view.place(number)
    return home !== null && home !== node
  })
}

function isQuiet({ lost, home, entry }: DirectoryPage, nodes: number): boolean {
  return lost === null && home < nodes && entry.transaction === null && (entry.state === "U" || entry.state === "S")
}
