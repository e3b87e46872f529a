/**
 * Which pages wait for something: how many are under way, and which the agent's timer must look at.
 *
 * Asked after everything that happens to a page, and nearly always the answer is as before: each page remembers it (`Watched`), and nothing is looked up.
 */
import { waitsForHome, type PageRecord } from "@backplane/memory-coherence/page-record"

export interface Watched {
  readonly record: PageRecord
  /** Asked for and not come, or being given back. */
  underWay: boolean
  /** There is something that a timer must look at. */
  watched: boolean
}

export class PageWatch {
  #underWay = 0
  readonly #watched = new Set<number>()

  /** Pages that were asked for and have not come, or are being given back. */
  get underWay(): number {
    return this.#underWay
  }

  /** Is there anything that a timer must look at? */
  get any(): boolean {
    return this.#watched.size > 0
  }

  pages(): readonly number[] {
    return [...this.#watched]
  }

  /** Something happened to the page. */
  note(page: number, local: Watched): void {
    const { record } = local
    const underWay = record.state.includes("_")
    this.#set(page, local, { underWay, watched: record.pinned || underWay || waitsForHome(record) })
  }

  forget(page: number, local: Watched): void {
    this.#set(page, local, { underWay: false, watched: false })
  }

  #set(page: number, local: Watched, { underWay, watched }: Pick<Watched, "underWay" | "watched">): void {
    if (underWay !== local.underWay) this.#underWay += underWay ? 1 : -1
    if (watched && !local.watched) this.#watched.add(page)
    else if (!watched && local.watched) this.#watched.delete(page)
    local.underWay = underWay
    local.watched = watched
  }
}
