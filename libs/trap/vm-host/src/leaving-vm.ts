/**
 * A VM on its way out of this node: first its memory is copied in rounds while it runs on (pre-copy), then it stops, and what it stopped with is copied.
 *
 * A round takes the pages of which the target has no good copy. The VM stops when few are left, or when a round leaves nearly as many as it took: then it writes
 * as fast as they travel, and more rounds would gain nothing (its writable working set: Clark and others, NSDI 2005, section 5.2). So what is sent in rounds is at most
 * 1 / (1 - GAIN) times its memory. Parts are numbered as they are made: those of the rounds, then the state, memory and disk that it stopped with.
 */
import { assert } from "@backplane/foundation-base/assert"
import { encodeBase64 } from "@backplane/foundation-base/base64"
import { PAGE_BYTES } from "@backplane/scenario-machine/vm-spec"
import { DISK_PIECES_PER_PART, PAGES_PER_PART, PARTS_UNDER_WAY_MAX, type VmPartContent } from "@backplane/trap-contract/vm-move-messages"
import type { HostedVm } from "./hosted-vm.ts"
import type { NodeDisks } from "./node-disks.ts"

/** So few pages are sent while it stands still: four parts, which are on the way together. */
const STOP_PAGES = PAGES_PER_PART * PARTS_UNDER_WAY_MAX
/** Of the pages of a round, so many may be left at its end for another to be worth while. */
const GAIN = 0.75

interface Cargo {
  readonly first: VmPartContent
  /** Retired when it was loaded (D1). */
  readonly instructions: number
  readonly pages: readonly (readonly number[])[]
  readonly pieces: readonly (readonly (readonly [number, string])[])[]
}

export class LeavingVm {
  readonly hosted: HostedVm
  readonly move: number
  readonly to: number
  /** Pages of each part that was made while it ran. */
  readonly #rounds: (readonly number[])[] = []
  /** Of the present round: pages in no part yet, the next one last. */
  #left: number[] = []
  /** Pages that the present round took; null: there was none. */
  #took: number | null = null
  #roundsCount = 0
  #isStopping = false
  /** What it stopped with; null: it runs, or something of it is still under way. */
  #cargo: Cargo | null = null
  /** Parts that were asked for and are not there yet. At most PARTS_UNDER_WAY_MAX. */
  readonly #asked = new Set<number>()

  constructor(hosted: HostedVm, { move, to }: { readonly move: number; readonly to: number }) {
    this.hosted = hosted
    this.move = move
    this.to = to
    hosted.vm.memory.beginCopy()
    this.#beginRound()
  }

  /** It runs no more, and goes on only if the move is given up. */
  get isStopping(): boolean {
    return this.#isStopping
  }

  get isLoaded(): boolean {
    return this.#cargo !== null
  }

  /** Rounds, and pages that were sent in them. */
  get sentRunning(): { readonly rounds: number; readonly pages: number } {
    return { rounds: this.#roundsCount, pages: count(this.#rounds) }
  }

  /** Pages that are sent while it stands still. */
  get pagesStopped(): number {
    return count(this.#cargo?.pages ?? [])
  }

  /** Null: there is no such part, or it comes when it can be made. */
  part(part: number): VmPartContent | null {
    while (!this.#isStopping && this.#rounds.length <= part && part < this.#rounds.length + PARTS_UNDER_WAY_MAX) this.#makePart()
    this.#assertStill()
    const early = this.#rounds[part]
    // As they are now: whatever was written meanwhile is sent once more, in a later part.
    if (early !== undefined) return this.#pages(early)
    if (this.#cargo !== null) return this.#contentOf(this.#cargo, part - this.#rounds.length)
    if (part < this.#rounds.length + PARTS_UNDER_WAY_MAX) this.#asked.add(part)
    return null
  }

  /** Nothing of it is under way any more: what it stopped with. Parts that can be sent now. */
  load(disks: NodeDisks): readonly number[] {
    assert(this.#isStopping && this.#cargo === null, "a VM that has stopped is loaded once")
    const { hosted } = this
    const { name } = hosted.spec
    const pages = cut(hosted.vm.memory.changedPages(), PAGES_PER_PART)
    const pieces = cut(disks.piecesOf(name), DISK_PIECES_PER_PART)
    const first = {
      of: "state",
      state: hosted.vm.capture(),
      console: hosted.console.capture(),
      entropyDrawn: hosted.entropyDrawn,
      diskSectors: disks.sectorsOf(name),
      parts: this.#rounds.length + 1 + pages.length + pieces.length,
      pages: count(this.#rounds) + count(pages),
    } as const
    this.#cargo = { first, pages, pieces, instructions: hosted.vm.instructions() }
    const state = this.#rounds.length
    const asked = [state, ...[...this.#asked].filter((part) => part !== state && part < first.parts)]
    this.#asked.clear()
    return asked
  }

  /** The move is over, one way or the other. */
  close(): void {
    this.#assertStill()
    this.hosted.vm.memory.endCopy()
    this.hosted.thaw()
  }

  #beginRound(): void {
    const changed = this.hosted.vm.memory.changedPages()
    const gains = this.#took === null || changed.length < this.#took * GAIN
    if (changed.length <= STOP_PAGES || !gains) {
      this.#isStopping = true
      this.hosted.freeze()
      return
    }
    this.#took = changed.length
    this.#roundsCount++
    this.#left = [...changed].reverse()
  }

  #makePart(): void {
    const pages = this.#left.splice(-PAGES_PER_PART).reverse()
    for (const page of pages) this.hosted.vm.memory.markCopied(page)
    this.#rounds.push(pages)
    if (this.#left.length === 0) this.#beginRound()
  }

  #contentOf({ first, pages, pieces }: Cargo, part: number): VmPartContent | null {
    if (part === 0) return first
    const numbers = pages[part - 1]
    if (numbers !== undefined) return this.#pages(numbers)
    const texts = pieces[part - 1 - pages.length]
    return texts === undefined ? null : { of: "disk", pieces: texts.map(([piece, text]) => [piece, text]) }
  }

  #pages(numbers: readonly number[]): VmPartContent {
    const data = new Uint8Array(numbers.length * PAGE_BYTES)
    for (const [index, page] of numbers.entries()) data.set(this.hosted.vm.memory.copyOf(page), index * PAGE_BYTES)
    return { of: "pages", pages: [...numbers], data: encodeBase64(data) }
  }

  #assertStill(): void {
    assert(
      this.#cargo === null || this.hosted.vm.instructions() === this.#cargo.instructions,
      "D1: a VM that is leaving runs no instruction",
    )
  }
}

function count(parts: readonly (readonly number[])[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

function cut<T>(list: readonly T[], most: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / most) }, (_, index) => list.slice(index * most, (index + 1) * most))
}
