/**
 * A VM on its way here: room that is kept for it, and what has come of it so far. It runs nothing, and nobody can make it run, before the hypervisor places it.
 *
 * A1 Pieces are asked for at most so many at a time, each again until it is there; one that comes twice changes nothing.
 * A2 A page that was sent several times is as in the last part that has it, in whatever order they come.
 */
import { assert } from "@backplane/foundation-base/assert"
import { decodeBase64 } from "@backplane/foundation-base/base64"
import { PAGE_BYTES, type VmSpec } from "@backplane/scenario-machine/vm-spec"
import { PARTS_UNDER_WAY_MAX, type VmMoveIn, type VmPart, type VmPartContent } from "@backplane/trap-contract/vm-move-messages"
import type { SeededEntropy } from "./extra-devices.ts"
import type { Attached } from "./node-disks.ts"
import type { Vm } from "@backplane/trap-vmm/vm"

export type ArrivingState = Extract<VmPartContent, { of: "state" }>

export class ArrivingVm {
  readonly vm: VmSpec
  readonly life: number
  readonly firstLife: number
  readonly from: number
  readonly fromLife: number
  /** Its number among the VMs of this node: its memory is promised. */
  readonly reserved: number
  /** Its images are here: it can be fetched. */
  isReady = false
  /** All of it is here, and its disk's writes are on this node's disk. */
  isTaken = false
  state: ArrivingState | null = null
  /** Made as soon as its state is known; its pages are written one by one from then on. */
  made: Vm | null = null
  /** Kernel, and the image of its disk where it has such a one, from when it is ready. */
  kernel: Uint8Array | null = null
  diskImage: Uint8Array | null = null
  /** How its virtio-blk will reach its disk; null: it has none. */
  attached: Attached | null = null
  entropy: SeededEntropy | null = null
  /** What it has written over its image. */
  readonly pieces = new Map<number, string>()
  /** Parts that are here. Only grows. */
  readonly #have = new Set<number>()
  /** Parts that were asked for and have not come; at most PARTS_UNDER_WAY_MAX. */
  readonly #underWay = new Set<number>()
  #bytes = 0
  /** By page: the part that its bytes are from (A2). */
  readonly #partOf = new Map<number, number>()
  /** Pages that came while it ran where it comes from, until there is a machine to write them to. */
  readonly #early = new Map<number, Uint8Array>()

  constructor({ vm, life, firstLife, from, fromLife }: VmMoveIn, reserved: number) {
    this.vm = vm
    this.life = life
    this.firstLife = firstLife
    this.from = from
    this.fromLife = fromLife
    this.reserved = reserved
  }

  get have(): number {
    return this.#have.size
  }

  /** Of what was sent: memory and disk, as bytes. */
  get bytes(): number {
    return this.#bytes
  }

  get isWhole(): boolean {
    return this.state !== null && this.#have.size === this.state.parts
  }

  /** What it stopped with has come, as this part; `made` goes on from there. */
  begin({ part, content }: { readonly part: number; readonly content: ArrivingState }, made: Vm): void {
    assert(this.state === null, "a VM stops once")
    this.state = content
    this.made = made
    for (const [page, data] of this.#early) made.memory.writePage(page, data)
    this.#early.clear()
    for (const asked of this.#underWay) if (asked >= content.parts) this.#underWay.delete(asked)
    this.#came(part)
  }

  /** Is it a piece that is missed? Only the first comes without being asked for. */
  wants(part: number): boolean {
    if (this.#have.has(part)) return false
    return this.state === null ? part === 0 || this.#underWay.has(part) : part < this.state.parts
  }

  take({ part, content }: Pick<VmPart, "part" | "content">): void {
    if (content.of === "pages") {
      const data = decodeBase64(content.data)
      for (const [index, page] of content.pages.entries())
        this.#takePage({ part, page }, data.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES))
      this.#bytes += data.length
    } else if (content.of === "disk") {
      for (const [piece, text] of content.pieces) {
        this.pieces.set(piece, text)
        this.#bytes += Math.floor((text.length * 3) / 4)
      }
    }
    this.#came(part)
  }

  #takePage({ part, page }: { readonly part: number; readonly page: number }, data: Uint8Array): void {
    if (part < (this.#partOf.get(page) ?? 0)) return
    this.#partOf.set(page, part)
    if (this.made === null) this.#early.set(page, data)
    else this.made.memory.writePage(page, data)
  }

  /** Parts to ask for: what is new (`next`), or all that is under way once more (`again`). */
  asks(which: "next" | "again"): readonly number[] {
    if (!this.isReady || this.isWhole) return []
    // Not before the source has begun: it does not answer earlier.
    const last = this.state?.parts ?? (this.have === 0 ? 1 : Infinity)
    const fresh: number[] = []
    for (let part = 0; part < last && this.#underWay.size < PARTS_UNDER_WAY_MAX; part++) {
      if (this.#have.has(part) || this.#underWay.has(part)) continue
      this.#underWay.add(part)
      fresh.push(part)
    }
    return which === "next" ? fresh : [...this.#underWay]
  }

  #came(part: number): void {
    this.#have.add(part)
    this.#underWay.delete(part)
  }
}
