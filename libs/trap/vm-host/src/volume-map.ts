/** The map of a disk in the store: which block each chunk is. Pages come when they are first needed and stay. */
import { BLOCK_BUCKET, CHUNKS_PER_PAGE, decodePage, emptyPage, HOLE } from "@backplane/trap-contract/disk-layout"
import type { BlockOperation, BlockTold } from "@backplane/trap-contract/disk-messages"

export type AskStore = (operation: BlockOperation, done: (told: BlockTold) => void) => void

/** The first value that the store has, or null. */
export function valueOf({ outcome, values }: BlockTold): string | null {
  return outcome === "done" ? (values[0] ?? null) : null
}

export class VolumeMap {
  readonly #ask: AskStore
  /** By page; `null`: the store does not have it any more. */
  readonly #pages = new Map<number, string[] | null>()
  readonly #coming = new Map<number, (() => void)[]>()

  constructor(ask: AskStore) {
    this.#ask = ask
  }

  /** The block of a chunk, or null where the map itself is lost. */
  of(chunk: number, names: readonly string[], then: (block: string | null) => void): void {
    const index = Math.floor(chunk / CHUNKS_PER_PAGE)
    const page = this.#pages.get(index)
    if (page !== undefined) return then(page === null ? null : (page[chunk % CHUNKS_PER_PAGE] ?? HOLE))
    const again = (): void => {
      this.of(chunk, names, then)
    }
    const coming = this.#coming.get(index)
    if (coming !== undefined) return void coming.push(again)
    this.#coming.set(index, [again])
    this.#load(index, names[index] ?? HOLE)
  }

  /** The chunk is that block now; gives the one before. Its page is there. */
  set(chunk: number, block: string): string {
    const page = this.#pages.get(Math.floor(chunk / CHUNKS_PER_PAGE))
    const before = page?.[chunk % CHUNKS_PER_PAGE] ?? HOLE
    if (page !== undefined && page !== null) page[chunk % CHUNKS_PER_PAGE] = block
    return before
  }

  page(index: number): readonly string[] {
    return this.#pages.get(index) ?? emptyPage()
  }

  #load(index: number, name: string): void {
    const came = (page: string[] | null): void => {
      this.#pages.set(index, page)
      const waiting = this.#coming.get(index) ?? []
      this.#coming.delete(index)
      for (const again of waiting) again()
    }
    if (name === HOLE) return came(emptyPage())
    this.#ask({ type: "get", bucket: BLOCK_BUCKET, key: name }, (told) => {
      const text = valueOf(told)
      came(text === null ? null : decodePage(text))
    })
  }
}
