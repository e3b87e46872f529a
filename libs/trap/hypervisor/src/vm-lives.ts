/**
 * The lives of VMs: where each boots, when its vCPUs begin, what is done when it ends or is lost.
 *
 * A life goes so: `VmPlace` to a node once it is on disk; the node fetches the images and says `VmPlaced`; its vCPUs are submitted as tasks
 * like every other. It ends with its vCPUs, with its node, or because somebody wants it to. Nothing here waits for one delivery: what is
 * unanswered is said again.
 */
import { closeSpan, event, openSpan, persist, send } from "@backplane/foundation-actor/effects"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { mmuFramesMax } from "@backplane/trap-vmm/address-spaces"
import { machineBytesFor } from "@backplane/trap-vmm/vmm"
import { nodeOfVcpu, spaceOfVm } from "@backplane/scenario-machine/vm-span"
import { requiredNode, vcpuAffinity } from "@backplane/scenario-machine/resolve-vms"
import { nodeActor } from "@backplane/scenario-machine/topology"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { PAGE_BYTES, vcpuTask, type VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { VmControlled, VmPlaced, VmRefused } from "@backplane/trap-contract/vm-messages"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import type { JobStarts } from "./job-starts.ts"
import type { Job, JobTable } from "./job-table.ts"
import type { NodeWatch } from "./node-watch.ts"
import { VmMoves } from "./vm-moves.ts"
import { closedSpace, VmSpans } from "./vm-span.ts"
import { LIVE_STATES, LIVES_KEY, vmSpan, type VmRecord, type VmTable } from "./vm-table.ts"
import { Writes } from "./writes.ts"

export const VM_PREFIX = "vm/"
/** Kept once the VMs of the scenario are made. */
const MADE_KEY = "vms-made"

export interface VmLivesParts {
  readonly context: HypervisorContext
  readonly vms: VmTable
  readonly jobs: JobTable
  readonly watch: NodeWatch
  readonly starts: JobStarts
  /** A life has begun: its console is a new one. */
  readonly onLife: (vm: VmRecord, life: "new" | "known") => void
}

export class VmLives {
  readonly #parts: VmLivesParts
  readonly #writes = new Writes()
  readonly moves: VmMoves
  readonly #spans: VmSpans

  constructor(parts: VmLivesParts) {
    this.#parts = parts
    this.#spans = new VmSpans(parts)
    this.moves = new VmMoves({
      ...parts,
      keep: (vm, out) => this.#keep(vm, out),
      forgetVcpus: (of, out) => this.#forgetVcpus(of, out),
    })
  }

  begin(restored: Restored, out: Out): void {
    const { vms, context } = this.#parts
    const records = [...restored].flatMap(([key, value]) => (key.startsWith(VM_PREFIX) ? [value] : []))
    const lives = restored.get(LIVES_KEY)
    vms.restore(records, typeof lives === "number" ? lives : 0)
    for (const vm of vms.all()) this.#parts.onLife(vm, "known")
    this.moves.restore()
    const listed = context.spec.vms ?? []
    if (restored.has(MADE_KEY) || listed.length === 0) return // made by an earlier life of ours; who is missing was destroyed
    for (const spec of listed) if (vms.get(spec.name) === undefined) this.start(vms.add(spec), out)
    out.push(persist(MADE_KEY, true))
  }

  /** It is there, and boots when somebody wants it to. */
  keepStopped(vm: VmRecord, out: Out): void {
    this.#keep(vm, out)
  }

  /** Requests of ours wait for an answer. */
  get isUnderWay(): boolean {
    return this.#parts.vms
      .all()
      .some((vm) => vm.state === "placing" || vm.pending !== null || vm.closing.length > 0 || this.moves.isUnderWay(vm))
  }

  /** Boots it, on the node where its disk is if that lives. */
  start(vm: VmRecord, out: Out): void {
    const { vms } = this.#parts
    this.moves.abandon(vm, "it boots anew", out)
    this.#forgetVcpus({ name: vm.spec.name, life: vm.life }, out)
    const before = vm.life
    vm.life = vms.nextLife()
    this.#spans.begin(vm, before)
    if (vm.firstLife === 0) vm.firstLife = vm.life
    vm.boots++
    vm.pending = null
    vm.reason = ""
    const node = this.#chooseNode(vm)
    out.push(
      openSpan(vmSpan(vm), "vm.start", { "backplane.vm": vm.spec.name, ...(node !== null && { "backplane.node": node }) }, { root: true }),
    )
    out.push(persist(LIVES_KEY, vms.lives))
    if (node === null) return this.#refused(vm, "no node that may run it lives", out)
    vm.node = node
    vm.state = "placing"
    vm.nodeLife = this.#parts.watch.incarnationOf(node)
    this.#parts.onLife(vm, "new")
    this.#keep(vm, out)
  }

  /** How it shall be. The node confirms. */
  control(vm: VmRecord, want: "running" | "paused" | "stopped" | "destroyed", out: Out): void {
    vm.seq++
    vm.pending = { seq: vm.seq, want }
    if (want === "stopped" || want === "destroyed") {
      this.#revokeVcpus(vm, out)
      out.push(closeSpan(vmSpan(vm), { "backplane.verdict": want }))
      vm.state = "stopping"
      if (vm.node === null || this.#parts.watch.lostNodes().has(vm.node)) this.#confirmedBy(vm, vm.node ?? 0, out)
      if (vm.pending === null) return // done at once, and kept or gone
    }
    this.#keep(vm, out)
  }

  onPlaced({ vm: name, life, node }: VmPlaced, out: Out): void {
    const vm = this.#of(name, life)
    if (vm === null) return void out.push(send(nodeActor(node), this.#stop(name, life)))
    const hasMoved = vm.move?.phase === "placing"
    if ((vm.state !== "placing" && !hasMoved) || !this.#spans.liesOn(vm, node)) return
    if (!this.#spans.placed(vm, node)) return this.#keep(vm, out)
    vm.state = "running"
    if (hasMoved) this.moves.placed(vm)
    else out.push(event("vm-started", { "backplane.vm": name, "backplane.node": node }, "info"))
    this.#keep(vm, out)
    for (let index = 0; index < vm.spec.cpus; index++) {
      const job = this.#parts.jobs.add(vcpuJob(vm, index, this.#parts.context), undefined, life)
      this.#parts.starts.place(job, out)
    }
  }

  onRefused(refused: VmRefused, out: Out): void {
    if (this.moves.onTargetRefused(refused, out)) return
    const vm = this.#of(refused.vm, refused.life)
    if (vm?.state === "placing" || vm?.move?.phase === "placing") this.#refused(vm, refused.reason, out)
    else if (vm !== null && vm.parts.length > 0 && LOSABLE.has(vm.state)) {
      // One of its nodes cannot go on with it: a page is lost.
      this.#revokeVcpus(vm, out)
      this.#lost(vm, refused.reason, out)
    }
  }

  onControlled(controlled: VmControlled, out: Out): void {
    this.moves.onControlled(controlled, out)
    const { vm: name, life, seq, node } = controlled
    const vm = this.#of(name, life)
    if (vm !== null && vm.pending?.seq === seq) this.#confirmedBy(vm, node, out)
  }

  /** The memory controllers have forgotten what a life of a VM over several nodes had. */
  onMemoryForgotten(from: ActorId, request: string, out: Out): void {
    const space = closedSpace(request)
    const vm = this.#parts.vms.all().find(({ closing }) => space !== null && closing.includes(space))
    if (vm === undefined || space === null || !this.#spans.onForgotten(vm, from, space)) return
    if (vm.pending?.want === "destroyed" && vm.closedLife === vm.life) this.#confirmed(vm, out)
    else this.#keep(vm, out)
  }

  /** A node has accepted a vCPU. */
  onVcpuBegun(job: Job, out: Out): void {
    const vm = this.#vmOf(job)
    if (vm !== null) this.moves.begun(vm, out)
  }

  /** A vCPU has ended; with the last of them the life is over. */
  onVcpuFinished(job: Job, out: Out): void {
    const vm = this.#vmOf(job)
    if (vm === null || !["running", "paused", "moving"].includes(vm.state)) return
    if (job.outcome !== null) vm.outcome = job.outcome
    if (this.#vcpus(vm).some((each) => each.state !== "finished")) return this.#keep(vm, out)
    const reason = vm.outcome?.reason ?? "finisher"
    this.moves.abandon(vm, "it has ended", out)
    out.push(event("vm-ended", { "backplane.vm": vm.spec.name, "backplane.reason": reason }, "info"))
    if (reason === "reset") return this.start(vm, out)
    vm.state = "ended"
    vm.seq++
    vm.pending = { seq: vm.seq, want: "stopped" } // what it held of the node goes back; its disk stays
    this.#keep(vm, out)
  }

  /** No frames for a vCPU: its VM cannot run there. */
  onVcpuRejected(job: Job, reason: string, out: Out): void {
    const vm = this.#vmOf(job)
    if (vm === null) return
    this.#revokeVcpus(vm, out)
    this.#refused(vm, reason, out)
  }

  /** A vCPU is gone with its node: so is the VM. */
  onVcpuLost(job: Job, reason: string, out: Out): void {
    const vm = this.#vmOf(job)
    if (vm === null) return this.#parts.jobs.remove(job)
    this.#revokeVcpus(vm, out)
    this.#lost(vm, reason, out)
  }

  onNodeLost(node: number, how: string, out: Out): void {
    for (const vm of this.#parts.vms.all()) {
      this.moves.onNodeLost(vm, node, how, out)
      if (!this.#spans.liesOn(vm, node)) continue
      const nodeLife = this.#spans.lifeOn(vm, node)
      const isGone = this.#parts.watch.lostNodes().has(node) || nodeLife < this.#parts.watch.incarnationOf(node)
      if (!isGone) continue // begun again already, in the node's new life
      if (vm.pending !== null && vm.pending.want !== "running" && vm.pending.want !== "paused") this.#confirmedBy(vm, node, out)
      else if (vm.state === "placing" && nodeLife === 0)
        continue // its node has not said a word yet
      else if (vm.state === "placing" && this.#canStart(vm)) this.start(vm, out)
      else if (LOSABLE.has(vm.state)) {
        if (vm.parts.length > 0) this.#revokeVcpus(vm, out) // those of the other nodes
        this.#lost(vm, `node ${node} ${how}`, out)
      }
    }
    this.#startLost(out)
  }

  /** The node has said its first word to us. */
  onNodeFirst(node: number, out: Out): void {
    for (const vm of this.#parts.vms.all()) {
      if (!this.#spans.liesOn(vm, node) || vm.state !== "placing" || this.#spans.lifeOn(vm, node) !== 0) continue
      if (vm.node === node) vm.nodeLife = this.#parts.watch.incarnationOf(node)
      this.#spans.onNodeFirst(vm, node)
      this.#keep(vm, out)
    }
  }

  /** The node has told of itself once more. */
  onNodeReport(node: number, out: Out): void {
    for (const vm of this.#parts.vms.all()) {
      const reason = this.#spans.onReport(vm, node)
      if (reason !== null) this.#refused(vm, reason, out)
    }
  }

  /** The node asks for an image, for a VM that it is to have. */
  heardFrom(node: number): void {
    this.moves.heardFrom(node)
    this.#spans.heardFrom(node)
  }

  onPersisted(key: string, out: Out): void {
    if (!key.startsWith(VM_PREFIX)) return
    const name = key.slice(VM_PREFIX.length)
    const vm = this.#writes.end(name) ? this.#parts.vms.get(name) : undefined
    if (vm !== undefined) this.#sayAll(vm, out)
  }

  repeat(out: Out): void {
    this.#startLost(out)
    for (const vm of this.#parts.vms.all()) {
      this.moves.repeat(vm, out)
      this.#endWithNode(vm, out)
      if (this.#vcpus(vm).every(({ state }) => state === "live")) this.moves.begun(vm, out)
      if (!this.#writes.isPending(vm.spec.name)) this.#sayAll(vm, out)
    }
  }

  /** Nobody is left to confirm its end. */
  #endWithNode(vm: VmRecord, out: Out): void {
    const { pending, node } = vm
    const isEnding = pending?.want === "stopped" || pending?.want === "destroyed"
    if (isEnding && node !== null && this.#parts.watch.lostNodes().has(node)) this.#confirmedBy(vm, node, out)
  }

  /** Told only when it is on disk (I1 of the README holds for lives of VMs as for jobs). */
  #sayAll(vm: VmRecord, out: Out): void {
    const { spec, life, firstLife, node, nodeLife, state, pending } = vm
    if (node === null) return
    if (vm.parts.length > 0) return this.#spans.sayAll(vm, out)
    this.moves.sayAll(vm, out)
    if ((state === "placing" || vm.move?.phase === "placing") && nodeLife > 0)
      out.push(send(nodeActor(node), { kind: "VmPlace", vm: spec, life, firstLife, incarnation: nodeLife }, vmSpan(vm)))
    if (pending !== null) out.push(send(nodeActor(node), { kind: "VmControl", vm: spec.name, life, ...pending }))
  }

  #stop(vm: string, life: number) {
    return { kind: "VmControl", vm, life, seq: 1, want: "stopped" } as const
  }

  /** A node confirms how the VM shall be, or is dead; a VM over several nodes is so when it is on all of them. */
  #confirmedBy(vm: VmRecord, node: number, out: Out): void {
    if (this.#spans.confirmedBy(vm, node)) this.#confirmed(vm, out)
  }

  #confirmed(vm: VmRecord, out: Out): void {
    const { pending } = vm
    if (pending === null) return
    if (pending.want === "stopped" || pending.want === "destroyed") this.#spans.close(vm, vm.life)
    if (pending.want === "destroyed" && vm.closing.length > 0) return this.#keep(vm, out) // its memory first
    // Its name is free only when nothing of it is left anywhere that can be asked.
    if (pending.want === "destroyed" && vm.leavings.some(({ node }) => !this.#parts.watch.lostNodes().has(node))) return
    vm.pending = null
    if (pending.want === "destroyed") {
      this.#parts.vms.remove(vm)
      this.#writes.begin(vm.spec.name)
      return void out.push(persist(`${VM_PREFIX}${vm.spec.name}`, null))
    }
    if (pending.want !== "stopped") vm.state = pending.want
    else if (vm.state === "stopping") vm.state = "stopped"
    this.#keep(vm, out)
  }

  #refused(vm: VmRecord, reason: string, out: Out): void {
    this.moves.abandon(vm, reason, out)
    vm.state = "refused"
    vm.reason = reason
    this.#endParts(vm)
    out.push(event("vm-refused", { "backplane.vm": vm.spec.name, "backplane.reason": reason }, "warn"))
    out.push(closeSpan(vmSpan(vm), {}, reason))
    this.#keep(vm, out)
  }

  #lost(vm: VmRecord, reason: string, out: Out): void {
    this.moves.abandon(vm, reason, out)
    out.push(event("vm-lost", { "backplane.vm": vm.spec.name, "backplane.reason": reason }, "warn"))
    if (vm.spec.restartable && this.#canStart(vm)) return this.start(vm, out)
    this.#forgetVcpus({ name: vm.spec.name, life: vm.life }, out)
    vm.state = "lost"
    this.#endParts(vm)
    const waits = isBound(vm) ? "what it wrote to its disk is there: it boots when the node is back" : "it boots when a node is back"
    vm.reason = vm.spec.restartable ? `${reason}; ${waits}` : reason
    this.#keep(vm, out)
  }

  /** Of a VM over several nodes that does not run on: what the nodes that live have of it goes. */
  #endParts(vm: VmRecord): void {
    if (vm.parts.length === 0) return
    vm.seq++
    vm.pending = { seq: vm.seq, want: "stopped" }
  }

  /** Where it must be; else where it was; else the live node with the fewest vCPUs. */
  #chooseNode(record: VmRecord): number | null {
    const { spec, node: last } = record
    const { context, watch, vms } = this.#parts
    if (!this.#spans.canBegin(record)) return null
    const { topology } = context.spec
    const dead = watch.lostNodes()
    const required = requiredNode(spec, topology)
    if (required !== null) return dead.has(required) ? null : required
    if (last !== null && !dead.has(last)) return last
    const load = (node: number): number =>
      vms.all().reduce((sum, vm) => sum + (vm.node === node && LIVE_STATES.has(vm.state) ? vm.spec.cpus : 0), 0)
    const nodes = Array.from({ length: topology.nodes }, (_, node) => node).filter((node) => !dead.has(node))
    return nodes.reduce<number | null>((best, node) => (best === null || load(node) < load(best) ? node : best), null)
  }

  /** A node that may run it lives; for a VM whose disk lies on its node, that node. */
  #canStart(vm: VmRecord): boolean {
    if (!isBound(vm)) return this.#chooseNode(vm) !== null
    return vm.node !== null && !this.#parts.watch.lostNodes().has(vm.node) && this.#spans.canBegin(vm)
  }

  /** Those that were lost when no node could take them. */
  #startLost(out: Out): void {
    for (const vm of this.#parts.vms.all()) if (vm.state === "lost" && vm.spec.restartable && this.#canStart(vm)) this.start(vm, out)
  }

  #of(name: string, life: number): VmRecord | null {
    const vm = this.#parts.vms.get(name)
    return vm?.life === life ? vm : null
  }

  #vmOf({ spec }: Job): VmRecord | null {
    return spec.vcpu === undefined ? null : this.#of(spec.vcpu.vm, spec.vcpu.life)
  }

  #vcpus({ spec: { name }, life }: VmRecord): readonly Job[] {
    return this.#vcpusOf({ name, life })
  }

  #vcpusOf({ name, life }: { readonly name: string; readonly life: number }): readonly Job[] {
    return this.#parts.jobs.all().filter(({ spec }) => spec.vcpu?.vm === name && spec.vcpu.life === life)
  }

  /** Its vCPUs are void: nodes that hold them are told now, and again with each report of theirs. */
  #revokeVcpus(vm: VmRecord, out: Out): void {
    for (const job of this.#vcpus(vm))
      if (job.state === "submitted" || job.state === "live")
        out.push(send(nodeActor(job.node), { kind: "TaskRevoke", task: job.spec.name, attempt: job.attempt }))
    this.#forgetVcpus({ name: vm.spec.name, life: vm.life }, out)
  }

  #forgetVcpus(of: { readonly name: string; readonly life: number }, out: Out): void {
    for (const job of this.#vcpusOf(of)) {
      this.#parts.jobs.remove(job)
      this.#parts.starts.forget(job.spec.name, out)
    }
  }

  #keep(vm: VmRecord, out: Out): void {
    this.#writes.begin(vm.spec.name)
    out.push(persist(`${VM_PREFIX}${vm.spec.name}`, { ...vm } as never))
  }
}

const LOSABLE: ReadonlySet<VmRecord["state"]> = new Set<VmRecord["state"]>(["placing", "running", "paused", "moving"])

/** What the guest wrote over its image lies on its node: elsewhere it would begin with the image. */
function isBound({ spec, boots }: VmRecord): boolean {
  return spec.restartable && boots > 0 && spec.disk !== undefined && "hash" in spec.disk
}

/** A vCPU as a job among others. */
function vcpuJob({ spec, node, life }: VmRecord, index: number, { spec: machine }: HypervisorContext): Job["spec"] {
  const { name: vm, cpus: vcpus, weight, kernel, span } = spec
  return {
    name: vcpuTask(vm, index),
    run: 0,
    workingSet: workingSetOf(kernel),
    affinity: vcpuAffinity(spec, nodeOfVcpu(spec, index, node ?? 0), machine.topology),
    restartable: false,
    arrival: 0,
    ...(weight !== undefined && { weight }),
    // What schedulers may know of it: vCPUs of one VM share an address space, and wait for each other's locks.
    space: span === undefined ? vm : spaceOfVm(vm, life),
    ...(vcpus > 1 && { gang: { name: vm, size: vcpus } }),
    vcpu: { vm, index, life, frames: framesOf(spec, index, machine) },
  }
}

/**
 * What is leased with a vCPU: with the first, all that the VM needs. Of a VM over several nodes the first at each node has room for the VMM's tables there; its pages
 * get their frames from the memory controller, one by one (memory/controller).
 */
function framesOf({ cpus: vcpus, memoryBytes, span }: VmSpec, index: number, machine: MachineSpec): number {
  if (span !== undefined) return index < span.length ? mmuFramesMax({ memoryBytes, vcpus, mmu: "nested" }) : 0
  return index === 0 ? leasedFrames(machineBytesFor({ memoryBytes, vcpus }) / PAGE_BYTES, machine) : 0
}

/** Of what a VM is promised, the part that is frames: the rest is room in its node's swap file. So leases are used up when the promises are. */
function leasedFrames(promised: number, { topology: { framesPerNode }, memory }: MachineSpec): number {
  return Math.ceil((promised * framesPerNode) / (framesPerNode + (memory?.vms?.swapPages ?? 0)))
}

/** As for guests: the pages of the image. */
function workingSetOf({ bytes }: VmSpec["kernel"]): number {
  return Math.ceil(bytes / PAGE_BYTES)
}
