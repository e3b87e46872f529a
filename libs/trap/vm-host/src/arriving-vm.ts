/**
 * A VM on its way here: room that is kept for it, and what has come of it so far. It runs nothing, and nobody can make it run, before the hypervisor places it.
 *
 * A1 Pieces are asked for at most so many at a time, each again until it is there; one that comes twice changes nothing.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
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
  /** Made as soon as its state is known; its pages are written one by one. */
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

  /** What it stopped with has come; `made` goes on from there. */
  begin(state: ArrivingState, made: Vm): void {
    assert(this.state === null, "a VM begins to come once")
    this.state = state
    this.made = made
    this.#came(0)
  }

  /** Is it a piece that is missed? */
  wants(part: number): boolean {
    if (this.#have.has(part)) return false
    return this.state === null ? part === 0 : part < this.state.parts
  }

  take({ part, content }: Pick<VmPart, "part" | "content">): void {
    if (content.of === "pages") {
      const data = decodeBase64(content.data)
      const made = defined(this.made ?? undefined, "a VM that has begun to come is made")
      for (const [index, page] of content.pages.entries())
        made.memory.writePage(page, data.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES))
      this.#bytes += data.length
    } else if (content.of === "disk") {
      for (const [piece, text] of content.pieces) {
        this.pieces.set(piece, text)
        this.#bytes += Math.floor((text.length * 3) / 4)
      }
    }
    this.#came(part)
  }

  /** Parts to ask for: what is new (`next`), or all that is under way once more (`again`). */
  asks(which: "next" | "again"): readonly number[] {
    if (!this.isReady || this.isWhole) return []
    const last = this.state === null ? 1 : this.state.parts
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
