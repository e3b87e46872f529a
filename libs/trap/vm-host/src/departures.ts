/**
 * VMs that leave this node: copied by their target while they run on, stopped when little is left, and read to the end once nothing of them is under way.
 *
 * Nothing here decides who goes on: a VM that stands still does so until the hypervisor says that its move is off, or that this life is destroyed.
 * D1 A VM that is loaded runs no instruction. D2 What it stopped with does not change: it is read after the last exit and the last request of its disk were answered.
 * D3 A word of a move that was given up does nothing, however late it comes. D4 A page that was written after it was copied is copied once more (leaving-vm.ts).
 */
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { SpanEffect } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { VmMoveOff, VmMoveOut, VmPartAsk } from "@backplane/trap-contract/vm-move-messages"
import type { VmSaying } from "@backplane/trap-contract/vm-host"
import type { HostedVm } from "./hosted-vm.ts"
import { LeavingVm } from "./leaving-vm.ts"
import type { NodeDisks } from "./node-disks.ts"

export interface DeparturesParts {
  readonly node: number
  readonly disks: NodeDisks
  /** That life of the VM, if it lies here. */
  readonly hosted: (of: { readonly vm: string; readonly life: number }) => HostedVm | null
  readonly say: (...said: readonly (VmSaying | SpanEffect)[]) => void
}

export class Departures {
  readonly #parts: DeparturesParts
  readonly #leaving = new Map<string, LeavingVm>()
  /** By VM: moves up to this one are given up. Only grows. */
  readonly #off = new Map<string, number>()

  constructor(parts: DeparturesParts) {
    this.#parts = parts
  }

  onMoveOut({ vm, life, move, to }: VmMoveOut): void {
    if (move <= (this.#off.get(vm) ?? 0)) return
    const known = this.#leaving.get(vm)
    if (known?.move === move) return known.isStopping ? this.#sayStopped(known) : undefined
    const hosted = this.#parts.hosted({ vm, life })
    if (hosted === null) return this.#refuse({ vm, life, move }, "it does not lie there")
    if (isOver(hosted)) return this.#refuse({ vm, life, move }, "it has ended")
    this.forget(vm)
    const leaving = new LeavingVm(hosted, { move, to })
    this.#leaving.set(vm, leaving)
    if (leaving.isStopping) return this.#stopped(leaving)
    this.#parts.say(
      openSpan(preCopySpan(vm), "vm.pre-copy", { "backplane.vm": vm, "backplane.node": this.#parts.node, "backplane.to": to }),
    )
    this.#sayPart(leaving, 0)
  }

  /** After each step: who has nothing under way any more can be read to the end from now on. */
  look(): void {
    for (const [vm, leaving] of this.#leaving) {
      const { hosted, isLoaded, isStopping } = leaving
      if (isLoaded) continue
      if (isOver(hosted)) this.#endedMeanwhile(leaving)
      if (isOver(hosted) || !isStopping || !hosted.hasNoExits || !this.#parts.disks.isQuiet(vm)) continue
      for (const part of leaving.load(this.#parts.disks)) this.#sayPart(leaving, part)
      this.#parts.say(closeSpan(stopSpan(vm), { "backplane.count": leaving.pagesStopped }))
    }
  }

  onPartAsk({ vm, move, part }: VmPartAsk): void {
    const leaving = this.#leaving.get(vm)
    if (leaving?.move === move) this.#sayPart(leaving, part)
  }

  onMoveOff({ vm, life, move }: VmMoveOff): void {
    this.#off.set(vm, Math.max(move, this.#off.get(vm) ?? 0))
    const leaving = this.#leaving.get(vm)
    if (leaving !== undefined && leaving.move <= move) this.forget(vm)
    this.#parts.say({ body: { kind: "VmMoveOffSeen", vm, life, move, node: this.#parts.node } })
  }

  /** What it is and what it is told do not change any more. */
  isLoaded(vm: string): boolean {
    return this.#leaving.get(vm)?.isLoaded === true
  }

  /** It does not leave (any more), or is over here. */
  forget(vm: string): void {
    const leaving = this.#leaving.get(vm)
    if (leaving === undefined) return
    this.#leaving.delete(vm)
    leaving.close()
    if (!leaving.isStopping) this.#parts.say(closeSpan(preCopySpan(vm), { "backplane.verdict": "off" }))
    else if (!leaving.isLoaded) this.#parts.say(closeSpan(stopSpan(vm), { "backplane.verdict": "off" }))
  }

  inspect(): Json {
    return [...this.#leaving].map(([vm, { move, to, isLoaded, sentRunning }]) => ({ vm, move, to, isStopped: isLoaded, ...sentRunning }))
  }

  /** The part that was made last may be the last before it stops. */
  #sayPart(leaving: LeavingVm, part: number): void {
    const ran = !leaving.isStopping
    const content = leaving.part(part)
    const { hosted, move, to } = leaving
    const vm = hosted.spec.name
    if (content !== null) this.#parts.say({ body: { kind: "VmPart", vm, move, part, content }, to })
    if (!ran || !leaving.isStopping) return
    const { rounds, pages } = leaving.sentRunning
    this.#parts.say(closeSpan(preCopySpan(vm), { "backplane.rounds": rounds, "backplane.count": pages }))
    this.#stopped(leaving)
  }

  #stopped(leaving: LeavingVm): void {
    const { name: vm } = leaving.hosted.spec
    const { node, say } = this.#parts
    say(openSpan(stopSpan(vm), "vm.stop", { "backplane.vm": vm, "backplane.node": node, "backplane.to": leaving.to }))
    this.#sayStopped(leaving)
  }

  #sayStopped({ hosted, move }: LeavingVm): void {
    this.#parts.say({ body: { kind: "VmMoveStopped", vm: hosted.spec.name, life: hosted.life, move, node: this.#parts.node } })
  }

  #refuse(of: { readonly vm: string; readonly life: number; readonly move: number }, reason: string): void {
    this.#parts.say({ body: { kind: "VmMoveRefused", ...of, node: this.#parts.node, reason } })
  }

  /** While it was copied, or by an exit that was answered after it had stopped. */
  #endedMeanwhile({ hosted, move }: LeavingVm): void {
    const { spec, life } = hosted
    this.forget(spec.name)
    this.#refuse({ vm: spec.name, life, move }, "it has ended")
  }
}

/** Its vCPUs may not have been told yet. */
function isOver(hosted: HostedVm): boolean {
  return hosted.isOver || hosted.vm.end() !== null
}

function preCopySpan(vm: string): string {
  return `pre-copy/${vm}`
}

function stopSpan(vm: string): string {
  return `stop/${vm}`
}
