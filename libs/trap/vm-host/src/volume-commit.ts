/** One commit of a disk in the store: blocks, then pages of the map, then the root, each when the ones before are there. */
import { BLOCK_BUCKET, blockName, blockNumber, CHUNKS_PER_PAGE, encodePage, HOLE } from "@backplane/trap-contract/disk-layout"
import type { VolumeMap, AskStore } from "./volume-map.ts"
import type { VolumeRoot } from "./volume-root.ts"

/** A chunk to be stored; null: it is zeros. */
export interface ChunkToStore {
  readonly index: number
  readonly text: string | null
}

export class VolumeCommit {
  readonly #ask: AskStore
  readonly #root: VolumeRoot
  readonly #map: VolumeMap
  /** Blocks that nothing names once the root is stored. */
  readonly #replaced: string[] = []

  constructor({ ask, root, map }: { readonly ask: AskStore; readonly root: VolumeRoot; readonly map: VolumeMap }) {
    this.#ask = ask
    this.#root = root
    this.#map = map
  }

  /** `done` with null, or with why the disk cannot be written any more. */
  run(chunks: readonly ChunkToStore[], done: (failure: string | null) => void): void {
    const named = chunks.map(({ index, text }) => ({ index, text, block: text === null ? HOLE : this.#newName() }))
    const puts = named.flatMap(({ text, block }) => (text === null ? [] : [{ key: block, value: text }]))
    this.#putAll(puts, done, () => {
      this.#storePages(named, done)
    })
  }

  #storePages(named: readonly { readonly index: number; readonly block: string }[], done: (failure: string | null) => void): void {
    for (const { index, block } of named) this.#replaced.push(this.#map.set(index, block))
    const pages = [...new Set(named.map(({ index }) => Math.floor(index / CHUNKS_PER_PAGE)))]
    const renamed = new Map(pages.map((page) => [page, this.#map.page(page).some((block) => block !== HOLE) ? this.#newName() : HOLE]))
    const puts = [...renamed].flatMap(([page, key]) => (key === HOLE ? [] : [{ key, value: encodePage(this.#map.page(page)) }]))
    this.#putAll(puts, done, () => {
      const { pages: before } = this.#root.now
      for (const page of pages) this.#replaced.push(before[page] ?? HOLE)
      this.#root.change(
        (root) => ({ ...root, writes: root.writes + 1, pages: root.pages.map((name, page) => renamed.get(page) ?? name) }),
        (failure) => {
          if (failure === null) this.#removeReplaced()
          done(failure)
        },
      )
    })
  }

  #putAll(puts: readonly { readonly key: string; readonly value: string }[], failed: (failure: string) => void, then: () => void): void {
    let left = puts.length
    let failure: string | null = null
    if (left === 0) return then()
    for (const put of puts)
      this.#ask({ type: "put", bucket: BLOCK_BUCKET, ...put }, (told) => {
        if (told.outcome === "refused") failure = told.remedy ?? "the store refuses a block"
        if (--left > 0) return
        if (failure === null) then()
        else failed(failure)
      })
  }

  /** What a snapshot or a clone may share stays. */
  #removeReplaced(): void {
    const root = this.#root.now
    for (const block of this.#replaced) {
      const number = block === HOLE ? null : blockNumber(root, block)
      if (number === null || number < root.birth) continue
      this.#ask({ type: "delete", bucket: BLOCK_BUCKET, key: block }, () => undefined)
    }
  }

  #newName(): string {
    return blockName(this.#root.now, this.#root.nextNumber())
  }
}
