/**
 * VMs that come from other nodes: room is kept for each, its images are brought, then it is fetched piece by piece; the hypervisor places it, or has it destroyed.
 *
 * Not here: when it stops where it comes from (departures.ts), who goes on (the hypervisor).
 */
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { SpanEffect } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { VmMoveIn, VmPart } from "@backplane/trap-contract/vm-move-messages"
import type { VmSaying } from "@backplane/trap-contract/vm-host"
import type { Vm } from "@backplane/trap-vmm/vm"
import { ArrivingVm, type ArrivingState } from "./arriving-vm.ts"

export interface ArrivalsParts {
  readonly node: number
  readonly say: (...said: readonly (VmSaying | SpanEffect)[]) => void
  /** Promises its memory: its number, or why it cannot be here. */
  readonly reserve: (move: VmMoveIn) => number | { readonly refusal: string }
  /** Makes it from what it stopped with. */
  readonly make: (arriving: ArrivingVm, state: ArrivingState) => Vm
  /** Gives back what was kept for it. */
  readonly giveBack: (arriving: ArrivingVm) => void
  /** Puts what it wrote over its image on this node's disk, then calls `done`. */
  readonly takeDisk: (arriving: ArrivingVm, done: () => void) => void
}

export class Arrivals {
  readonly #parts: ArrivalsParts
  readonly #arriving = new Map<string, ArrivingVm>()

  constructor(parts: ArrivalsParts) {
    this.#parts = parts
  }

  get(vm: string): ArrivingVm | null {
    return this.#arriving.get(vm) ?? null
  }

  all(): readonly ArrivingVm[] {
    return [...this.#arriving.values()]
  }

  get unanswered(): number {
    return this.#arriving.size
  }

  /** Room for it, or why there is none; `known`: it is coming already. */
  onMoveIn(move: VmMoveIn): ArrivingVm | "known" | { readonly refusal: string } {
    const known = this.#arriving.get(move.vm.name)
    if (known?.life === move.life) {
      if (known.isReady) this.#sayReady(known)
      return "known"
    }
    if (known !== undefined) this.drop(move.vm.name)
    const reserved = this.#parts.reserve(move)
    if (typeof reserved === "object") return reserved
    const arriving = new ArrivingVm(move, reserved)
    this.#arriving.set(move.vm.name, arriving)
    return arriving
  }

  /** Its images are here. */
  ready(arriving: ArrivingVm): void {
    if (arriving.isReady) return
    arriving.isReady = true
    const { name } = arriving.vm
    this.#parts.say(
      openSpan(copySpan(name), "vm.copy", { "backplane.vm": name, "backplane.from": arriving.from, "backplane.node": this.#parts.node }),
    )
    this.#sayReady(arriving)
    this.#ask(arriving, "next")
  }

  onPart({ vm, move, part, content }: VmPart): void {
    const arriving = this.#arriving.get(vm)
    if (arriving?.life !== move || !arriving.isReady || !arriving.wants(part)) return
    if (content.of === "state") arriving.begin({ part, content }, this.#parts.make(arriving, content))
    else arriving.take({ part, content })
    this.#ask(arriving, "next")
    if (arriving.isWhole) this.#parts.takeDisk(arriving, () => this.#taken(arriving))
  }

  /** The hypervisor has decided for it: it lies here from now on, and is nobody's to drop. */
  leave(vm: string): void {
    this.#arriving.delete(vm)
  }

  /** It does not come after all. */
  drop(vm: string): void {
    const arriving = this.#arriving.get(vm)
    if (arriving === undefined) return
    this.#arriving.delete(vm)
    if (!arriving.isTaken) this.#parts.say(closeSpan(copySpan(vm), { "backplane.verdict": "off" }))
    this.#parts.giveBack(arriving)
  }

  repeat(): void {
    for (const arriving of this.#arriving.values()) {
      if (arriving.isTaken) this.#sayTaken(arriving)
      else if (arriving.isReady) {
        this.#sayReady(arriving)
        this.#ask(arriving, "again")
      }
    }
  }

  inspect(): Json {
    return this.all().map(({ vm, life, from, have, state, isTaken }) => ({
      vm: vm.name,
      life,
      from,
      have,
      parts: state?.parts ?? null,
      isTaken,
    }))
  }

  #taken(arriving: ArrivingVm): void {
    const { name } = arriving.vm
    if (this.#arriving.get(name) !== arriving) return
    arriving.isTaken = true
    const { bytes, have } = arriving
    const pages = arriving.state?.pages ?? 0
    this.#sayTaken(arriving, copySpan(name))
    this.#parts.say(closeSpan(copySpan(name), { "backplane.bytes": bytes, "backplane.pages": pages, "backplane.count": have }))
  }

  #ask(arriving: ArrivingVm, which: "next" | "again"): void {
    const { life: move, fromLife: life, from: to, vm } = arriving
    for (const part of arriving.asks(which)) {
      const body = { kind: "VmPartAsk", vm: vm.name, life, move, part, node: this.#parts.node } as const
      this.#parts.say({ body, to, span: copySpan(vm.name) })
    }
  }

  #sayReady({ vm, life, have }: ArrivingVm): void {
    this.#parts.say({ body: { kind: "VmMoveReady", vm: vm.name, life, node: this.#parts.node, have } })
  }

  #sayTaken({ vm, life, have: parts, bytes, state }: ArrivingVm, span?: string): void {
    const body = { kind: "VmMoveTaken", vm: vm.name, life, node: this.#parts.node, parts, bytes, pages: state?.pages ?? 0 } as const
    this.#parts.say({ body, ...(span !== undefined && { span }) })
  }
}

function copySpan(vm: string): string {
  return `copy/${vm}`
}
