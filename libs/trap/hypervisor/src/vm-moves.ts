/**
 * VMs that move to another node: the target prepares and fetches, the source stops when little is left, and then it is decided here who goes on.
 *
 * preparing: `VmMoveIn` to the target, which keeps room and has the images brought; nothing has happened to the VM yet.
 * copying: `VmMoveOut` to the source, which lets the target fetch it, and stops the VM on the way (`VmMoveStopped`).
 * placing: `VmMoveTaken` was heard. The VM has the life of the move on the target from here on, whatever happens; the source destroys its own.
 *
 * V1 The decision is one write: until it is on disk the VM is the source's, afterwards the target's, and nobody is told before. V2 Before it the move can be given up at any
 * moment: the source goes on, the target destroys what came. V3 A life that was left, or never begun, is destroyed on its node, and is remembered until that is so.
 */
import { closeSpan, event, openSpan, persist, send } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { nodeActor } from "@backplane/scenario-machine/topology"
import type { VmControlled } from "@backplane/trap-contract/vm-messages"
import type { VmMoveOffSeen, VmMoveReady, VmMoveRefused, VmMoveStopped, VmMoveTaken } from "@backplane/trap-contract/vm-move-messages"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import type { NodeWatch } from "./node-watch.ts"
import { LIVES_KEY, vmSpan, type VmRecord, type VmTable } from "./vm-table.ts"

/** Repeats without a piece more, or a word about images: then a move is given up. */
const QUIET_REPEATS_MAX = 1_000

export interface VmMovesParts {
  readonly context: HypervisorContext
  readonly vms: VmTable
  readonly watch: NodeWatch
  /** Writes it down; what has to be said of it is said when that is on disk. */
  readonly keep: (vm: VmRecord, out: Out) => void
  /** The vCPUs of a life that is left are nobody's any more. */
  readonly forgetVcpus: (of: { readonly name: string; readonly life: number }, out: Out) => void
}

export class VmMoves {
  readonly #parts: VmMovesParts
  /** By VM: when its source said that it had stopped; null: an earlier life of ours may know. */
  readonly #stoppedAt = new Map<string, VirtualTime | null>()
  /** By VM: pieces that were there, and repeats since. */
  readonly #progress = new Map<string, { have: number; quiet: number }>()

  constructor(parts: VmMovesParts) {
    this.#parts = parts
  }

  /** VMs that an earlier life of ours was moving. */
  restore(): void {
    for (const { spec, move } of this.#parts.vms.all())
      if (move !== null && move.phase !== "preparing") this.#stoppedAt.set(spec.name, null)
  }

  /** A reason why the VM cannot move there, with the remedy; or null. */
  refusal(vm: VmRecord, to: number): string | null {
    const { name, affinity, span } = vm.spec
    const { nodes } = this.#parts.context.spec.topology
    if (vm.state === "moving") return `${name} is being moved to node ${vm.move?.to ?? "?"} already; wait until it is there`
    if (vm.state !== "running")
      return `${name} is ${vm.state}; a VM moves while it is running${vm.state === "paused" ? ": resume it first" : ""}`
    if (to >= nodes) return `there is no node ${to}; the nodes are 0 to ${nodes - 1}`
    if (to === vm.node) return `${name} is on node ${to} already`
    if (span !== undefined)
      return `span: ${name} lies on nodes ${span.join(" and ")}, and such a VM does not move; create it again on others`
    if (affinity.length > 0) return `its affinity binds ${name} to CPUs of node ${vm.node}; a VM that may move names none`
    if (this.#parts.watch.lostNodes().has(to) || this.#parts.watch.incarnationOf(to) === 0)
      return `node ${to} is not there; \`backplane ps\` shows why`
    if (vm.leavings.some(({ node }) => node === to)) return `node ${to} still clears what ${name} has left there; ask again in a moment`
    return null
  }

  /** `refusal` was asked. */
  begin(vm: VmRecord, to: number, out: Out): void {
    const { vms, watch, keep } = this.#parts
    const from = vm.node ?? 0
    vm.move = { life: vms.nextLife(), to, toLife: watch.incarnationOf(to), phase: "preparing" }
    vm.moved = { from, to, verdict: "under-way", reason: "", pages: 0, bytes: 0, downtimeCycles: null }
    vm.state = "moving"
    this.#progress.set(vm.spec.name, { have: 0, quiet: 0 })
    this.#stoppedAt.delete(vm.spec.name)
    out.push(openSpan(vmSpan(vm), "vm.move", { "backplane.vm": vm.spec.name, "backplane.from": from, "backplane.to": to }, { root: true }))
    out.push(persist(LIVES_KEY, vms.lives))
    keep(vm, out)
  }

  onReady({ vm: name, life, node, have }: VmMoveReady, out: Out): void {
    const vm = this.#moving(name, { life, node })
    if (vm === null) return
    this.#heard(name, have)
    if (vm.move?.phase !== "preparing") return
    vm.move = { ...vm.move, phase: "copying" }
    this.#parts.keep(vm, out)
  }

  /** The target says why it cannot have it. True: it was about a move. */
  onTargetRefused(
    { vm: name, life, node, reason }: { readonly vm: string; readonly life: number; readonly node: number; readonly reason: string },
    out: Out,
  ): boolean {
    const vm = this.#moving(name, { life, node })
    if (vm === null) return false
    this.giveUp(vm, reason, out)
    return true
  }

  onStopped({ vm: name, life, move }: VmMoveStopped): void {
    const vm = this.#parts.vms.get(name)
    if (vm?.move?.life === move && vm.life === life && !this.#stoppedAt.has(name)) this.#stoppedAt.set(name, this.#parts.context.now)
  }

  onSourceRefused({ vm: name, life, move, node, reason }: VmMoveRefused, out: Out): void {
    const vm = this.#parts.vms.get(name)
    if (vm?.move?.life === move && vm.move.phase !== "placing" && vm.life === life) this.giveUp(vm, `node ${node}: ${reason}`, out)
  }

  /** All of it lies on the target: it is the target's from now on (V1). */
  onTaken({ vm: name, life, node, pages, bytes }: VmMoveTaken, out: Out): void {
    const vm = this.#moving(name, { life, node })
    if (vm === null || vm.move === null || vm.node === null || vm.moved === null) return
    const left = { node: vm.node, life: vm.life }
    const { to, toLife } = vm.move
    vm.leavings = [...vm.leavings, left]
    vm.off = null
    vm.move = { ...vm.move, phase: "placing" }
    vm.moved = { ...vm.moved, pages, bytes }
    Object.assign(vm, { life, node: to, nodeLife: toLife })
    if (vm.spec.node !== undefined) vm.spec = { ...vm.spec, node: to }
    this.#parts.keep(vm, out)
  }

  /** It lies there, and its vCPUs begin. */
  placed(vm: VmRecord): void {
    vm.move = null
    this.#progress.delete(vm.spec.name)
  }

  /** A vCPU runs again, or all do as nodes report. */
  begun(vm: VmRecord, out: Out): void {
    if (vm.state !== "running" || vm.moved?.verdict !== "under-way") return
    const { name } = vm.spec
    const stoppedAt = this.#stoppedAt.get(name) ?? null
    this.#stoppedAt.delete(name)
    const downtimeCycles = stoppedAt === null ? null : this.#parts.context.now - stoppedAt
    vm.moved = { ...vm.moved, verdict: "moved", downtimeCycles }
    const { from, to, pages, bytes } = vm.moved
    const sizes = {
      "backplane.pages": pages,
      "backplane.bytes": bytes,
      ...(downtimeCycles !== null && { "backplane.downtime": downtimeCycles }),
    }
    out.push(closeSpan(vmSpan(vm), { ...sizes, "backplane.verdict": "moved" }))
    out.push(event("vm-moved", { "backplane.vm": name, "backplane.from": from, "backplane.to": to, ...sizes }, "info"))
    this.#parts.keep(vm, out)
  }

  /** It stays where it is (V2). */
  giveUp(vm: VmRecord, reason: string, out: Out): void {
    const { move, node } = vm
    if (move === null || move.phase === "placing" || node === null) return
    vm.off = { node, life: vm.life, move: move.life }
    vm.state = "running"
    this.#end(vm, reason, out)
    this.#parts.keep(vm, out)
  }

  /** Its node is lost, or it has ended: nothing is left to be moved. */
  abandon(vm: VmRecord, reason: string, out: Out): void {
    vm.off = null
    if (vm.move !== null) this.#end(vm, reason, out)
  }

  #end(vm: VmRecord, reason: string, out: Out): void {
    const { move, spec } = vm
    if (move === null) return
    vm.move = null
    if (move.phase !== "placing") vm.leavings = [...vm.leavings, { node: move.to, life: move.life }]
    if (vm.moved !== null) vm.moved = { ...vm.moved, verdict: "given-up", reason: reason.slice(0, 200) }
    this.#progress.delete(spec.name)
    this.#stoppedAt.delete(spec.name)
    out.push(event("vm-move-off", { "backplane.vm": spec.name, "backplane.to": move.to, "backplane.reason": reason }, "warn"))
    out.push(closeSpan(vmSpan(vm), {}, reason))
  }

  onOffSeen({ vm: name, move, node }: VmMoveOffSeen, out: Out): void {
    const vm = this.#parts.vms.get(name)
    if (vm?.off?.move !== move || vm.off.node !== node) return
    vm.off = null
    this.#parts.keep(vm, out)
  }

  onControlled({ vm: name, life, node }: VmControlled, out: Out): void {
    const vm = this.#parts.vms.get(name)
    if (vm === undefined || !vm.leavings.some((left) => left.node === node && left.life === life)) return
    vm.leavings = vm.leavings.filter((left) => left.node !== node || left.life !== life)
    this.#parts.keep(vm, out)
  }

  /** A target that is gone ends the move; what a node that is gone had in memory need not be destroyed. */
  onNodeLost(vm: VmRecord, node: number, how: string, out: Out): void {
    const { move } = vm
    if (move !== null && move.phase !== "placing" && move.to === node && this.#isGone(node, move.toLife))
      this.giveUp(vm, `node ${node} ${how}`, out)
    const keepsDisk = vm.spec.disk !== undefined && "hash" in vm.spec.disk
    const isMoot = vm.off?.node === node || (!keepsDisk && vm.leavings.some((left) => left.node === node))
    if (!isMoot) return
    if (vm.off?.node === node) vm.off = null
    if (!keepsDisk) vm.leavings = vm.leavings.filter((left) => left.node !== node)
    this.#parts.keep(vm, out)
  }

  #isGone(node: number, life: number): boolean {
    return this.#parts.watch.lostNodes().has(node) || life < this.#parts.watch.incarnationOf(node)
  }

  /** Images travel to it. */
  heardFrom(node: number): void {
    for (const { spec, move } of this.#parts.vms.all()) if (move?.to === node) this.#heard(spec.name, null)
  }

  isUnderWay({ move, off, leavings, moved }: VmRecord): boolean {
    return (
      move !== null ||
      off !== null ||
      moved?.verdict === "under-way" ||
      leavings.some(({ node }) => !this.#parts.watch.lostNodes().has(node))
    )
  }

  /** What waits for an answer. Only what is on disk is said. */
  sayAll({ spec, life, firstLife, node, move, off, leavings }: VmRecord, out: Out): void {
    const { name: vm } = spec
    const span = vmSpan({ spec })
    if (move !== null && move.phase !== "placing" && node !== null) {
      const coming = { life: move.life, firstLife, incarnation: move.toLife, from: node, fromLife: life }
      out.push(send(nodeActor(move.to), { kind: "VmMoveIn", vm: spec, ...coming }, span))
      if (move.phase === "copying") out.push(send(nodeActor(node), { kind: "VmMoveOut", vm, life, move: move.life, to: move.to }, span))
    }
    // Not before the decision is on disk: should it be lost, the VM is the source's, and these are its vCPUs.
    if (move?.phase === "placing") for (const left of leavings) this.#parts.forgetVcpus({ name: vm, life: left.life }, out)
    if (off !== null) out.push(send(nodeActor(off.node), { kind: "VmMoveOff", vm, life: off.life, move: off.move }))
    for (const left of leavings)
      if (!this.#parts.watch.lostNodes().has(left.node))
        out.push(send(nodeActor(left.node), { kind: "VmControl", vm, life: left.life, seq: 1, want: "destroyed" }))
  }

  /** Time for repeats: a move of which nothing was heard for long is given up. */
  repeat(vm: VmRecord, out: Out): void {
    if (vm.move === null || vm.move.phase === "placing") return
    const progress = this.#progress.get(vm.spec.name) ?? { have: 0, quiet: 0 }
    progress.quiet++
    this.#progress.set(vm.spec.name, progress)
    if (progress.quiet > QUIET_REPEATS_MAX) this.giveUp(vm, `nothing more came to node ${vm.move.to}; is it overloaded?`, out)
  }

  #heard(name: string, have: number | null): void {
    const progress = this.#progress.get(name)
    if (progress === undefined || (have !== null && have <= progress.have && progress.have > 0)) return
    progress.have = have ?? progress.have
    progress.quiet = 0
  }

  /** The VM, if it is not yet decided whether this move's life begins there. */
  #moving(name: string, { life, node }: { readonly life: number; readonly node: number }): VmRecord | null {
    const vm = this.#parts.vms.get(name)
    return vm?.move?.life === life && vm.move.to === node && vm.move.phase !== "placing" ? vm : null
  }
}
