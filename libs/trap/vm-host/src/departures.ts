/**
 * VMs that leave this node: stopped at the hypervisor's word, and read by their target piece by piece once nothing of them is under way.
 *
 * Nothing here decides who goes on: a VM that stands still does so until the hypervisor says that its move is off, or that this life is destroyed.
 * D1 A VM that is leaving runs no instruction. D2 What is read does not change: it is read after the last exit and the last request of its disk were answered.
 * D3 A word of a move that was given up does nothing, however late it comes.
 */
import { assert } from "@backplane/foundation-base/assert"
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { SpanEffect } from "@backplane/foundation-actor/machine"
import { encodeBase64 } from "@backplane/foundation-base/base64"
import type { Json } from "@backplane/foundation-base/json"
import { PAGE_BYTES } from "@backplane/scenario-machine/vm-spec"
import {
  DISK_PIECES_PER_PART,
  PAGES_PER_PART,
  type VmMoveOff,
  type VmMoveOut,
  type VmPartAsk,
  type VmPartContent,
} from "@backplane/trap-contract/vm-move-messages"
import type { VmSaying } from "@backplane/trap-contract/vm-host"
import type { HostedVm } from "./hosted-vm.ts"
import type { NodeDisks } from "./node-disks.ts"

export interface DeparturesParts {
  readonly node: number
  readonly disks: NodeDisks
  /** That life of the VM, if it lies here. */
  readonly hosted: (of: { readonly vm: string; readonly life: number }) => HostedVm | null
  readonly say: (...said: readonly (VmSaying | SpanEffect)[]) => void
}

interface Leaving {
  readonly hosted: HostedVm
  readonly move: number
  readonly to: number
  /** What it stopped with; null: something of it is still under way. */
  cargo: Cargo | null
}

interface Cargo {
  readonly first: VmPartContent
  /** Retired when it was loaded (D1). */
  readonly instructions: number
  readonly pages: readonly (readonly number[])[]
  readonly pieces: readonly (readonly (readonly [number, string])[])[]
}

export class Departures {
  readonly #parts: DeparturesParts
  readonly #leaving = new Map<string, Leaving>()
  /** By VM: moves up to this one are given up. Only grows. */
  readonly #off = new Map<string, number>()

  constructor(parts: DeparturesParts) {
    this.#parts = parts
  }

  onMoveOut({ vm, life, move, to }: VmMoveOut): void {
    const { node, say } = this.#parts
    if (move <= (this.#off.get(vm) ?? 0) || this.#leaving.get(vm)?.move === move) return
    const hosted = this.#parts.hosted({ vm, life })
    const reason = hosted === null ? "it does not lie there" : hosted.isOver ? "it has ended" : null
    if (hosted === null || reason !== null) return say({ body: { kind: "VmMoveRefused", vm, life, move, node, reason: reason ?? "" } })
    hosted.freeze()
    this.#leaving.set(vm, { hosted, move, to, cargo: null })
    say(openSpan(stopSpan(vm), "vm.stop", { "backplane.vm": vm, "backplane.node": node, "backplane.to": to }))
  }

  /** After each step: who has nothing under way any more can be read from now on. */
  look(): void {
    for (const [vm, leaving] of this.#leaving) {
      if (leaving.cargo !== null || !leaving.hosted.hasNoExits || !this.#parts.disks.isQuiet(vm)) continue
      leaving.cargo = this.#load(leaving.hosted)
      const pages = leaving.cargo.pages.reduce((sum, part) => sum + part.length, 0)
      this.#parts.say(this.#part(vm, leaving, 0), closeSpan(stopSpan(vm), { "backplane.count": pages }))
    }
  }

  onPartAsk({ vm, move, part }: VmPartAsk): void {
    const leaving = this.#leaving.get(vm)
    if (leaving?.move !== move || leaving.cargo === null || part > leaving.cargo.pages.length + leaving.cargo.pieces.length) return
    this.#parts.say(this.#part(vm, leaving, part))
  }

  onMoveOff({ vm, life, move }: VmMoveOff): void {
    this.#off.set(vm, Math.max(move, this.#off.get(vm) ?? 0))
    const leaving = this.#leaving.get(vm)
    if (leaving !== undefined && leaving.move <= move) {
      this.#leaving.delete(vm)
      assertStill(leaving)
      leaving.hosted.thaw()
      if (leaving.cargo === null) this.#parts.say(closeSpan(stopSpan(vm), { "backplane.verdict": "off" }))
    }
    this.#parts.say({ body: { kind: "VmMoveOffSeen", vm, life, move, node: this.#parts.node } })
  }

  /** What it is and what it is told do not change any more. */
  isLoaded(vm: string): boolean {
    return (this.#leaving.get(vm)?.cargo ?? null) !== null
  }

  /** The VM is over here. */
  forget(vm: string): void {
    const leaving = this.#leaving.get(vm)
    if (leaving !== undefined) assertStill(leaving)
    this.#leaving.delete(vm)
  }

  inspect(): Json {
    return [...this.#leaving].map(([vm, { move, to, cargo }]) => ({ vm, move, to, isStopped: cargo !== null }))
  }

  #load(hosted: HostedVm): Cargo {
    const { name } = hosted.spec
    const pages = cut(hosted.vm.memory.pagesInUse(), PAGES_PER_PART)
    const pieces = cut(this.#parts.disks.piecesOf(name), DISK_PIECES_PER_PART)
    const first = {
      of: "state",
      state: hosted.vm.capture(),
      console: hosted.console.capture(),
      entropyDrawn: hosted.entropyDrawn,
      diskSectors: this.#parts.disks.sectorsOf(name),
      parts: 1 + pages.length + pieces.length,
      pages: pages.reduce((sum, part) => sum + part.length, 0),
    } as const
    return { first, pages, pieces, instructions: hosted.vm.instructions() }
  }

  #part(vm: string, leaving: Leaving, part: number): VmSaying {
    assertStill(leaving)
    return { body: { kind: "VmPart", vm, move: leaving.move, part, content: contentOf(leaving, part) }, to: leaving.to }
  }
}

function assertStill({ hosted, cargo }: Leaving): void {
  assert(cargo === null || hosted.vm.instructions() === cargo.instructions, "D1: a VM that is leaving runs no instruction")
}

function contentOf({ hosted, cargo }: Leaving, part: number): VmPartContent {
  const { first, pages, pieces } = cargo as Cargo
  if (part === 0) return first
  const numbers = pages[part - 1]
  if (numbers === undefined) return { of: "disk", pieces: (pieces[part - 1 - pages.length] ?? []).map(([piece, text]) => [piece, text]) }
  const data = new Uint8Array(numbers.length * PAGE_BYTES)
  for (const [index, page] of numbers.entries()) data.set(hosted.vm.memory.readPage(page), index * PAGE_BYTES)
  return { of: "pages", pages: [...numbers], data: encodeBase64(data) }
}

function cut<T>(list: readonly T[], most: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / most) }, (_, index) => list.slice(index * most, (index + 1) * most))
}

function stopSpan(vm: string): string {
  return `stop/${vm}`
}
